"""Makes tests/fixtures/golden-extra: files of the Python original that tests/fixtures/golden lacks.

    .cache/python-0.10/bin/python dev/golden/make.py

They show defects of the original whose traces we have to live with. The manifest says for each file what was done, what
should be there had nothing gone wrong ("expected"), and what the original itself reports ("enumerated", "found"). Two
runs give the same bytes: times are given, and the random id in the header is overwritten afterwards.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "peers"))
import booklet  # noqa: E402
from peer_values import encode  # noqa: E402

OUT = os.path.join(os.path.dirname(__file__), "..", "..", "tests", "fixtures", "golden-extra")
# File timestamp, 7 bytes, and uuid, 16 bytes.
HEADER_IDENTITY = (1_700_000_000_000_000).to_bytes(7, "little") + bytes(range(16))


def open_file(path, flag, fixed, buckets=None):
    new = {} if buckets is None else {"key_serializer": "str", "n_buckets": buckets}
    if fixed:
        return booklet.FixedLengthValue(path, flag, **new, **({} if buckets is None else {"value_len": 15}))
    return booklet.open(path, flag, **new, **({} if buckets is None else {"value_serializer": "str"}))


def value(at, fixed):
    return bytes([at]) * 15 if fixed else f"value {at}"


class Case:
    def __init__(self, name, description, fixed, buckets, steps):
        self.name, self.description, self.fixed, self.buckets, self.steps = name, description, fixed, buckets, steps

    def make(self):
        path = os.path.join(OUT, self.name + ".blt")
        file = open_file(path, "n", self.fixed, self.buckets)
        expected = {}
        for step in self.steps:
            self.apply(file, expected, *step)
        file.close()
        with open(path, "r+b") as raw:
            raw.seek(42)
            raw.write(HEADER_IDENTITY)
        return {
            "file": self.name + ".blt",
            "description": self.description,
            "fixed": self.fixed,
            "buckets": self.buckets,
            "ops": self.steps,
            "expected": {key: encode(content) for key, content in expected.items()},
            **self.seen(path, expected),
        }

    def apply(self, file, expected, kind, *arguments):
        if kind == "set":
            key, at = arguments
            file.set(key, value(at, self.fixed), **({} if self.fixed else {"timestamp": 1_600_000_000_000_000 + at}))
            expected[key] = value(at, self.fixed)
        elif kind == "clear":
            file.clear()
            expected.clear()
        else:
            getattr(file, kind)()

    def seen(self, path, expected):
        file = open_file(path, "r", self.fixed)
        try:
            answer = {"len": len(file), "found": {key: encode(file.get(key)) for key in expected}}
            try:
                answer["enumerated"] = [[encode(key), encode(content)] for key, content in file.items()]
            except Exception as error:
                answer["enumeration_error"] = type(error).__name__
            return answer
        finally:
            file.close()


def sets(count, start=0):
    return [["set", f"key{at}", at] for at in range(start, start + count)]


def clear_unsynced(fixed):
    return [*sets(5), ["sync"], ["set", "key1", 50], ["set", "new", 51], ["clear"], ["set", "after", 52]]


CASES = [
    Case("clear_unsynced", "clear() with writes in the buffer: they stay there, are written behind the cleared index, and linked at places that moved", False, 23, clear_unsynced(False)),
    Case("clear_unsynced_fixed", "the same with values of fixed length", True, 23, clear_unsynced(True)),
    Case("fixed_small_relocated", "fixed length, an index of 6 buckets that a prune has moved is replaced: enumeration stumbles over it", True, 6, [*sets(5), ["sync"], ["prune"], *sets(10, 5)]),
]


def main():
    from importlib.metadata import version

    os.makedirs(OUT, exist_ok=True)
    manifest = {"made_by": {name: version(name) for name in ("booklet", "ebooklet")}, "script": "dev/golden/make.py", "files": [case.make() for case in CASES]}
    with open(os.path.join(OUT, "manifest.json"), "w", encoding="utf-8") as out:
        json.dump(manifest, out, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main()
