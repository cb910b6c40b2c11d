"""The Python original in a benchmark of remotes: reads lines of JSON, each a step, and answers when the step is done."""
import importlib.metadata
import json
import sys

import ebooklet

sessions = {}


def connection(place, key):
    return ebooklet.S3Connection(
        access_key_id=place["accessKeyId"], access_key=place["secretAccessKey"], db_key=key, bucket=place["bucket"], endpoint_url=place["endpoint"]
    )


def name(i):
    return f"key{i:013d}"


def value(i, size, edition):
    return bytes([(i + edition) % 256]) * size


class Steps:
    def versions(self):
        return {package: importlib.metadata.version(package) for package in ("ebooklet", "booklet", "s3func")}

    def open(self, session, place, key, path, flag, groups=None):
        options = {} if groups is None else {"num_groups": groups}
        if flag == "c":
            options["value_serializer"] = "bytes"
        sessions[session] = ebooklet.open_ebooklet(connection(place, key), path, flag, **options)

    def set(self, session, keys, size, edition):
        database = sessions[session]
        for i in keys if isinstance(keys, list) else range(keys):
            database[name(i)] = value(i, size, edition)
        database.sync()

    def push(self, session):
        result = sessions[session].changes().push()
        if not result.updated or result.failures:
            raise RuntimeError(f"push: {result}")

    def pull(self, session):
        sessions[session].changes().pull()

    def get(self, session, i):
        return len(sessions[session][name(i)])

    def load(self, session, keys=None):
        failures = sessions[session].load_items(None if keys is None else [name(i) for i in keys])
        if failures:
            raise RuntimeError(f"load: {failures}")

    def close(self, session):
        sessions.pop(session).close()


steps = Steps()
for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"result": getattr(steps, request.pop("step"))(**request)}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
