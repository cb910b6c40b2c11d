"""The Python original as a peer of the tests.

Reads requests from stdin and writes answers to stdout, one JSON object per line:

    {"id": 1, "command": "booklet.open", "arguments": {"path": "a.blt", "flag": "r"}}
    {"id": 1, "result": {"handle": 1}}          or     {"id": 1, "error": {"type": "ValueError", "message": "…"}}

Bytes are base64. Values are tagged as in tests/fixtures/golden/manifest.json ("value_encoding"). What is opened
stays open under its handle until it is closed or the process ends; tests start several of these side by side, and
kill them. tests/support/python.ts is the other end and says which commands there are, with their types.
"""
import base64
import json
import os
import shutil
import sys
import time
import traceback
import warnings

import booklet

import peer_remote
from peer_values import decode, encode

HEADER_SIZE = 200


class Open:
    """A booklet with what the commands need to know about it."""

    def __init__(self, file, path, fixed):
        self.file, self.path, self.fixed = file, path, fixed


class Peer:
    def __init__(self):
        self.handles = {}
        self.last_handle = 0

    def add(self, thing):
        self.last_handle += 1
        self.handles[self.last_handle] = thing
        return self.last_handle

    def take(self, handle):
        return self.handles.pop(handle)

    # -- commands ---------------------------------------------------------------------------------------

    def versions(self):
        from importlib.metadata import version

        return {name: version(name) for name in ("booklet", "s3func", "ebooklet")} | {"python": sys.version.split()[0]}

    def sleep(self, seconds):
        """Lets a request behind this one come later, for tests that wait meanwhile."""
        time.sleep(seconds)

    def replace_file(self, path):
        """Puts a copy in the place of a file, as an editor or a backup program does: another inode, with a lock of its own."""
        shutil.copyfile(path, path + ".copy")
        os.replace(path + ".copy", path)

    def booklet_open(self, path, flag="r", fixed=False, **options):
        known = {
            "keySerializer": "key_serializer",
            "valueSerializer": "value_serializer",
            "buckets": "n_buckets",
            "bufferSize": "buffer_size",
            "timestamps": "init_timestamps",
            "valueLength": "value_len",
            "lockTimeout": "timeout",
        }
        # "None" is a serializer's name for us, where the original has the value.
        arguments = {known[name]: None if value == "None" else value for name, value in options.items() if name != "initBytes"}
        if "initBytes" in options:
            arguments["init_bytes"] = base64.b64decode(options["initBytes"])
        opener = booklet.FixedLengthValue if fixed else booklet.open
        return {"handle": self.add(Open(opener(path, flag, **arguments), path, fixed))}

    def booklet_apply(self, handle, operations):
        opened = self.handles[handle]
        return [self.apply_one(opened.file, operation) for operation in operations]

    def apply_one(self, file, operation):
        kind = operation["op"]
        timestamp = operation.get("timestamp")
        if kind == "set":
            file.set(decode(operation["key"]), decode(operation["value"]), **given(timestamp=timestamp))
        elif kind == "setBytes":
            file.set(decode(operation["key"]), base64.b64decode(operation["bytes"]), encode_value=False, **given(timestamp=timestamp))
        elif kind == "delete":
            del file[decode(operation["key"])]
        elif kind == "setTimestamp":
            file.set_timestamp(decode(operation["key"]), timestamp)
        elif kind == "setMetadata":
            file.set_metadata(decode(operation["value"]), **given(timestamp=timestamp))
        elif kind == "setReserved":
            file.set_reserved(operation["slot"], base64.b64decode(operation["bytes"]), **given(timestamp=timestamp))
        elif kind == "prune":
            return file.prune(**given(timestamp=timestamp, keep_keys=[decode(key) for key in operation["keep"]] if "keep" in operation else None))
        elif kind in ("sync", "clear"):
            getattr(file, kind)()
        else:
            raise ValueError(f"unknown operation {kind}")

    def booklet_get(self, handle, keys):
        file = self.handles[handle].file
        answers = []
        for key in map(decode, keys):
            answers.append({"value": encode(file.get(key))} if key in file else None)
        return answers

    def booklet_dump(self, handle):
        """Everything the original sees: what enumeration gives, and for each key what a lookup gives."""
        opened = self.handles[handle]
        file = opened.file
        if opened.fixed:
            items = [{"key": key, "timestamp": None, "offset": None, "bytes": value} for key, value in file.items()]
        else:
            items = [
                {"key": key, "timestamp": timestamp, "offset": offset, "bytes": self.bytes_at(opened.path, offset, length)}
                for key, timestamp, offset, length in list(file.locations())
            ]
        found = []
        for item in items:
            present = item["key"] in file
            # Not file[key], which takes a value of None for a missing key.
            found.append({
                "key": encode(item["key"]),
                "timestamp": item["timestamp"],
                "offset": item["offset"],
                "bytes": base64.b64encode(item["bytes"]).decode(),
                "found": present,
                "value": encode(file.get(item["key"])) if present else None,
            })
        with open(opened.path, "rb") as raw:
            header = raw.read(HEADER_SIZE)
        answer = {"size": len(file), "items": found, "header": base64.b64encode(header).decode(), "metadata": None, "reserved": {}}
        if not opened.fixed:
            answer["metadata"] = dated(file.get_metadata(include_timestamp=True), encode)
            for slot in (1, 2):
                content = dated(file.get_reserved(slot, include_timestamp=True), lambda data: base64.b64encode(data).decode())
                if content is not None:
                    answer["reserved"][str(slot)] = content
        return answer

    @staticmethod
    def bytes_at(path, offset, length):
        with open(path, "rb") as raw:
            raw.seek(offset)
            return raw.read(length)

    def close(self, handle):
        opened = self.take(handle)
        (opened.file if isinstance(opened, Open) else opened).close()


def given(**arguments):
    return {name: value for name, value in arguments.items() if value is not None}


def dated(answer, encode_content):
    """Without timestamps in the file the original gives the content alone, or with a None."""
    if answer is None:
        return None
    content, timestamp = answer if isinstance(answer, tuple) else (answer, None)
    return None if content is None and timestamp is None else {"value": encode_content(content), "timestamp": timestamp}


def main():
    # What the libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("always")
    peer = Peer()
    commands = {
        "versions": peer.versions,
        "sleep": peer.sleep,
        "replaceFile": peer.replace_file,
        "booklet.open": peer.booklet_open,
        "booklet.apply": peer.booklet_apply,
        "booklet.get": peer.booklet_get,
        "booklet.dump": peer.booklet_dump,
        "close": peer.close,
        **peer_remote.commands(peer),
    }
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"id": request["id"]}
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                answer["result"] = commands[request["command"]](**request["arguments"])
            answer["warnings"] = [str(warning.message) for warning in caught]
        except Exception as error:  # every failure of the original is an answer of this peer
            answer["error"] = {"type": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
