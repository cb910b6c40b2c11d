"""Python values as JSON and back, tagged as in tests/fixtures/golden/manifest.json ("value_encoding")."""
import base64
import datetime

SAFE_INTEGER = 2**53 - 1


def encode(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if abs(value) <= SAFE_INTEGER else {"$int": str(value)}
    if isinstance(value, float):
        return {"$float": repr(value)}
    if isinstance(value, (bytes, bytearray)):
        return {"$bytearray" if isinstance(value, bytearray) else "$bytes": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, tuple):
        return {"$tuple": [encode(item) for item in value]}
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: encode(item) for key, item in value.items()}
        return {"$map": [[encode(key), encode(item)] for key, item in value.items()]}
    if isinstance(value, (set, frozenset)):
        return {"$set" if isinstance(value, set) else "$frozenset": [encode(item) for item in value]}
    if isinstance(value, complex):
        return {"$complex": [repr(value.real), repr(value.imag)]}
    if type(value).__module__ == "datetime":
        return encode_time(value)
    if type(value).__module__ == "numpy":
        return {"$ndarray": {"dtype": str(value.dtype), "shape": list(value.shape), "data": [encode(item) for item in value.ravel().tolist()]}}
    if type(value).__module__.split(".")[0] in ("pandas", "geopandas"):
        from peer_frames import encode_frame

        return {"$frame": encode_frame(value, encode)}
    if type(value).__module__.startswith("shapely"):
        return {"$geojson": geojson(value)}
    return {"$repr": repr(value)}


def geojson(geometry):
    """Not shapely's own, which leaves the empty ones out of others."""
    kind = geometry.geom_type
    if kind == "GeometryCollection":
        return {"type": kind, "geometries": [geojson(part) for part in geometry.geoms]}
    return {"type": kind, "coordinates": coordinates(geometry)}


def coordinates(geometry):
    if hasattr(geometry, "geoms"):
        return [coordinates(part) for part in geometry.geoms]
    if geometry.geom_type == "Polygon":
        return [] if geometry.is_empty else [coordinates(ring) for ring in (geometry.exterior, *geometry.interiors)]
    positions = [list(position) for position in geometry.coords]
    return positions if geometry.geom_type != "Point" else positions[0] if positions else []


def decode_geojson(content):
    """Not shapely's own, which leaves the empty ones out of others."""
    import shapely

    kind = content["type"]
    if kind == "GeometryCollection":
        return shapely.GeometryCollection([decode_geojson(part) for part in content["geometries"]])
    positions = content["coordinates"]
    if kind == "Polygon":
        return shapely.Polygon(positions[0], positions[1:]) if positions else shapely.Polygon()
    if kind.startswith("Multi"):
        parts = [decode_geojson({"type": kind.removeprefix("Multi"), "coordinates": part}) for part in positions]
        return getattr(shapely, kind.lower() + "s")(parts) if parts else getattr(shapely, kind)()
    return getattr(shapely, kind)(positions) if positions else getattr(shapely, kind)()


def decode_frame(content):
    from peer_frames import decode_frame

    return decode_frame(content, decode)


def encode_time(value):
    """Times as isoformat(), followed by " fold" where fold is set and by the zone's name in brackets where it was given one."""
    if isinstance(value, datetime.timedelta):
        return {"$timedelta": [value.days, value.seconds, value.microseconds]}
    if isinstance(value, datetime.timezone):
        return {"$timezone": [encode_time(argument)["$timedelta"] if at == 0 else argument for at, argument in enumerate(value.__getinitargs__())]}
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return {"$date": value.isoformat()}
    named = [] if value.tzinfo is None else value.tzinfo.__getinitargs__()[1:]
    text = value.isoformat() + (" fold" if value.fold else "") + "".join(f" [{name}]" for name in named)
    return {"$datetime" if isinstance(value, datetime.datetime) else "$time": text}


def decode_time(kind):
    def decode_text(text):
        iso, *rest = text.split(" ")
        value = kind.fromisoformat(iso)
        if "fold" in rest:
            value = value.replace(fold=1)
        if rest and rest[-1].startswith("["):
            value = value.replace(tzinfo=datetime.timezone(value.utcoffset(), rest[-1][1:-1]))
        return value

    return decode_text


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
    "$bytearray": lambda content: bytearray(base64.b64decode(content)),
    "$frame": decode_frame,
    "$geojson": decode_geojson,
    "$set": lambda content: {decode(item) for item in content},
    "$frozenset": lambda content: frozenset(decode(item) for item in content),
    "$complex": lambda content: complex(float(content[0]), float(content[1])),
    "$datetime": decode_time(datetime.datetime),
    "$time": decode_time(datetime.time),
    "$date": datetime.date.fromisoformat,
    "$timedelta": lambda content: datetime.timedelta(*content),
    "$timezone": lambda content: datetime.timezone(datetime.timedelta(*content[0]), *content[1:]),
    "$int": int,
    "$float": float,
    "$bytes": base64.b64decode,
    "$tuple": lambda content: tuple(decode(item) for item in content),
    "$map": lambda content: {decode(key): decode(item) for key, item in content},
    "$ndarray": decode_array,
}
