"""Frames of pandas and geopandas as JSON and back: [name, dtype, values] of each column and of the index, and the crs."""
import pandas


def encode_frame(frame, encode):
    series = [frame.index.to_series()] + [frame[name] for name in frame.columns]
    kind = type(frame.index).__name__
    index, *columns = [[item.name, str(item.dtype), [value_of(value, encode) for value in item]] for item in series]
    answer = {"index": [kind, *index], "columns": columns, "crs": None, "geometry": None}
    if hasattr(frame, "geometry"):
        answer["crs"] = None if frame.crs is None else frame.crs.to_string()
        answer["geometry"] = frame.geometry.name
    return answer


def value_of(value, encode):
    if hasattr(value, "geom_type"):
        return encode(value)
    if isinstance(value, (list, dict, bytes)) or type(value).__module__ == "numpy" and getattr(value, "ndim", 0) > 0:
        return encode(value)
    if pandas.isna(value):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else encode(value.item() if hasattr(value, "item") else value)


def decode_frame(content, decode):
    """Made here, the way users make them, from the columns and their dtypes."""
    columns = {name: column(dtype, [decode(value) for value in values]) for name, dtype, values in content["columns"]}
    frame = pandas.DataFrame(columns)
    if content.get("index"):
        _, name, dtype, values = content["index"]
        frame.index = pandas.Index(column(dtype, [decode(value) for value in values]), name=name)
    if content.get("geometry"):
        import geopandas

        frame = geopandas.GeoDataFrame(frame, geometry=content["geometry"], crs=content["crs"])
    return frame


def column(dtype, values):
    if dtype == "geometry":
        import geopandas

        return geopandas.GeoSeries(values)
    if dtype.startswith("datetime64["):
        return pandas.to_datetime(pandas.Series(values), format="ISO8601").astype(dtype)
    return pandas.Series(values, dtype="object").astype(dtype)
