"""``exzarr info``: print the properties of an array or a group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from exzarr._cli.options import AS_JSON, examples, takes_urls
from exzarr._cli.output import console, facts, human_bytes, print_json, ratio, times

__all__ = ["array_facts", "group_facts", "register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("info")(info)


@examples(
    "exzarr info cube.zarr/ocean/sst",
    "exzarr info s3://bucket/cube.zarr --anon -o region=eu-west-1",
)
@takes_urls()
def info(
    path: Annotated[str, typer.Argument(metavar="PATH", help="An array or a group.")],
    scan: Annotated[
        bool, typer.Option("--scan/--no-scan", help="Find stored chunks, bytes and compression.")
    ] = True,
    as_json: AS_JSON = False,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Print the properties of an array or a group.

    They are shape, data type, chunks, codecs, sizes and attributes. --no-scan omits the stored sizes, for stores that
    list slowly.
    """
    from exzarr._cli.nodes import find_node
    from exzarr._format.metadata import ArrayMetadata

    location, meta = find_node(path, storage_options)
    found = (
        array_facts(location, meta, scan)
        if isinstance(meta, ArrayMetadata)
        else group_facts(location, meta, scan)
    )
    if as_json:
        print_json(found)
        return
    rows = _array_rows(found) if found["node_type"] == "array" else _group_rows(found)
    out = console()
    out.print(facts([(name, value) for name, value in rows if value]))
    if found["attributes"]:
        from exzarr._cli.output import plain_json

        out.print("\n[bold]attributes[/bold]")
        out.print(
            facts((f"  {name}", _short(plain_json(value))) for name, value in found["attributes"].items())
        )


def array_facts(location: Any, meta: Any, scan: bool) -> dict[str, Any]:
    """Return the properties of an array as JSON-like values."""
    from exzarr._cli.nodes import codecs_of, layout_of, place_of, stored
    from exzarr._format import fill_values

    layout = layout_of(meta)
    fill = meta.fill_value
    if fill is not None and meta.data_type.v3 is not None:
        fill = fill_values.to_v3(fill, meta.data_type)
    found: dict[str, Any] = {
        "path": place_of(location),
        "node_type": "array",
        "zarr_format": meta.zarr_format,
        "shape": [*meta.shape],
        "dimension_names": None if meta.dimension_names is None else [*meta.dimension_names],
        "data_type": meta.data_type.name,
        "dtype": str(meta.data_type.dtype),
        "fill_value": fill,
        "chunks": layout.chunks,
        "shards": layout.shards,
        "order": meta.order,
        "codecs": codecs_of(meta),
        "nbytes": layout.nbytes,
        "nchunks": layout.nchunks,
        "nshards": layout.nshards,
        "attributes": meta.attributes,
    }
    if scan:
        found_chunks = stored(location, meta)
        found["stored_objects"] = found_chunks.chunks
        found["nbytes_stored"] = found_chunks.nbytes
        found["compression_ratio"] = (
            round(layout.nbytes / found_chunks.nbytes, 4) if found_chunks.nbytes else None
        )
        if found_chunks.reason is not None:
            found["not_known"] = found_chunks.reason
    return found


def group_facts(location: Any, meta: Any, scan: bool) -> dict[str, Any]:
    """Return the properties of a group as JSON-like values."""
    from exzarr._cli.nodes import layout_of, place_of, stored
    from exzarr._format.metadata import ArrayMetadata
    from exzarr._tools.copy_plan import is_consolidated, walk

    found: dict[str, Any] = {
        "path": place_of(location),
        "node_type": "group",
        "zarr_format": meta.zarr_format,
        "consolidated": is_consolidated(location, meta),
        "attributes": meta.attributes,
    }
    if scan:
        walked = walk(location)
        below = walked.nodes[1:]
        if walked.notes:
            found["note"] = "; ".join(walked.notes)
        if walked.obstacles:
            found["left_out"] = [str(obstacle) for obstacle in walked.obstacles]
        arrays = [(place, node) for place, node in below if isinstance(node, ArrayMetadata)]
        found["arrays"] = len(arrays)
        found["groups"] = len(below) - len(arrays)
        found["nbytes"] = sum(layout_of(node).nbytes for _, node in arrays)
        sizes = [stored(place, node) for place, node in arrays]
        known = [size.nbytes for size in sizes if size.nbytes is not None]
        found["nbytes_stored"] = sum(known) if len(known) == len(sizes) else None
        reasons = [size.reason for size in sizes if size.reason is not None]
        if reasons:
            found["not_known"] = reasons[0]
        depth = len(location.key(""))
        found["members"] = sorted({place.path[depth:].split("/")[0] for place, _ in below})
    return found


def _array_rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    from exzarr._cli.nodes import codec_text

    names = found["dimension_names"]
    shape = times(found["shape"])
    if names and any(names):
        shape = ", ".join(
            f"{name}: {n}" if name else str(n) for name, n in zip(names, found["shape"], strict=True)
        )
    rows = [
        ("array", found["path"]),
        ("format", f"Zarr v{found['zarr_format']}"),
        ("shape", shape),
        ("data type", found["data_type"] + (" (big-endian)" if found["dtype"].startswith(">") else "")),
        ("fill value", "undefined" if found["fill_value"] is None else _short(found["fill_value"]) or "''"),
        ("chunks", _chunks(found)),
        ("shards", f"{times(found['shards'])} ({found['nshards']:,} of them)" if found["shards"] else ""),
        ("order", found["order"] if found["order"] != "C" else ""),
        ("codecs", " → ".join(codec_text(codec) for codec in found["codecs"]) or "none"),
        ("in memory", human_bytes(found["nbytes"])),
    ]
    if "nbytes_stored" in found:
        what = "shards" if found["shards"] else "chunks"
        total = found["nshards"] or found["nchunks"]
        rows += _stored_rows(found, lambda: f" in {found['stored_objects']:,} of {total:,} {what}")
    return rows


def _chunks(found: dict[str, Any]) -> str:
    chunks = found["chunks"]
    if any(isinstance(size, list) for size in chunks):
        return f"of varying shape ({found['nchunks']:,} of them)"
    return f"{times(chunks)} ({found['nchunks']:,} of them)"


def _group_rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("group", found["path"]),
        ("format", f"Zarr v{found['zarr_format']}" + (", consolidated" if found["consolidated"] else "")),
    ]
    if "arrays" in found:
        rows += [
            ("holds", f"{_count(found['arrays'], 'array')}, {_count(found['groups'], 'group')}"),
            ("members", ", ".join(found["members"])),
            ("in memory", human_bytes(found["nbytes"])),
            *_stored_rows(found, str),
            ("note", found.get("note", "")),
            *(("unreadable", obstacle) for obstacle in found.get("left_out", ())),
        ]
    return rows


def _stored_rows(found: dict[str, Any], where: Callable[[], str]) -> list[tuple[str, str]]:
    stored = found["nbytes_stored"]
    if stored is None:
        return [("stored", f"not known: {found['not_known']}")]
    return [("stored", human_bytes(stored) + where()), ("compression", ratio(found["nbytes"], stored))]


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _short(value: Any, limit: int = 200) -> str:
    import json

    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= limit else f"{text[:limit]}…"
