"""Python values as JSON and back, tagged as in tests/fixtures/golden/manifest.json ("value_encoding")."""
import base64

SAFE_INTEGER = 2**53 - 1


def encode(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if abs(value) <= SAFE_INTEGER else {"$int": str(value)}
    if isinstance(value, float):
        return {"$float": repr(value)}
    if isinstance(value, (bytes, bytearray)):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, tuple):
        return {"$tuple": [encode(item) for item in value]}
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: encode(item) for key, item in value.items()}
        return {"$map": [[encode(key), encode(item)] for key, item in value.items()]}
    if type(value).__module__ == "numpy":
        return {"$ndarray": {"dtype": str(value.dtype), "shape": list(value.shape), "data": [encode(item) for item in value.ravel().tolist()]}}
    return {"$repr": repr(value)}


def decode(tagged):
    if isinstance(tagged, list):
        return [decode(item) for item in tagged]
    if not isinstance(tagged, dict):
        return tagged
    if len(tagged) == 1:
        (tag, content), = tagged.items()
        if tag in DECODERS:
            return DECODERS[tag](content)
    return {key: decode(item) for key, item in tagged.items()}


def decode_array(content):
    import numpy

    return numpy.array([decode(item) for item in content["data"]], dtype=content["dtype"]).reshape(content["shape"])


DECODERS = {
    "$int": int,
    "$float": float,
    "$bytes": base64.b64decode,
    "$tuple": lambda content: tuple(decode(item) for item in content),
    "$map": lambda content: {decode(key): decode(item) for key, item in content},
    "$ndarray": decode_array,
}
