"""The Python original as a contender: one command per line of JSON, one answer per line. python.ts is the other end."""
import base64
import json
import sys
from importlib.metadata import version

import booklet

lists = {}
file = None


def mark(value):
    return len(value) + value[0] if isinstance(value, bytes) else value["id"] + len(value["text"])


def create(path, buckets, json):
    global file
    file = booklet.open(path, "n", key_serializer="str", value_serializer="json" if json else None, n_buckets=buckets)


def open_existing(path, flag):
    global file
    file = booklet.open(path, flag)


def take(number, items):
    lists[number] = [base64.b64decode(item["bytes"]) if isinstance(item, dict) and "bytes" in item else item for item in items]


def write(keys, values):
    values = lists[values]
    for i, key in enumerate(lists[keys]):
        file[key] = values[i % len(values)]
    file.sync()


def read(keys):
    return sum(mark(file[key]) for key in lists[keys])


def iterate():
    return sum(len(key) + mark(value) for key, value in file.items())


def close():
    file.close()


commands = {"create": create, "open": open_existing, "take": take, "write": write, "read": read, "iterate": iterate, "close": close}
print(json.dumps({"version": version("booklet")}), flush=True)
for line in sys.stdin:
    request = json.loads(line)
    result = commands[request.pop("command")](**request)
    print(json.dumps({"result": result}), flush=True)
