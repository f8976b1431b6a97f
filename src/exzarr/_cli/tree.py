"""``exzarr tree``: print the nodes of a hierarchy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len

from exzarr._cli.options import AS_JSON, examples, takes_urls
from exzarr._cli.output import console, human_bytes, print_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from exzarr._nodes.hierarchy import Location, Metadata
    from exzarr.errors import ExzarrError

__all__ = ["register", "tree_rows", "tree_table"]

UNKNOWN = "not known"
"""Printed if the stored size is unknown."""


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("tree")(tree)


@examples(
    "exzarr tree cube.zarr",
    "exzarr tree https://example.org/cube.zarr --depth 1 --no-scan",
)
@takes_urls()
def tree(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A group or an array.")],
    depth: Annotated[
        int | None, typer.Option("--depth", "-d", min=0, metavar="N", help="Levels to show below PATH.")
    ] = None,
    scan: Annotated[bool, typer.Option("--scan/--no-scan", help="Find the stored sizes.")] = True,
    as_json: AS_JSON = False,
    storage_options: dict[str, Any] | None = None,
) -> None:
    """Print the groups and arrays below PATH.

    Each node has one line with shape, data type, chunks and sizes. A narrow terminal shows fewer columns.
    """
    rows, notes = _rows(path, depth, scan, storage_options)
    if as_json:
        nodes = [{key: value for key, value in row.items() if key != "guide"} for row in rows]
        print_json({"nodes": nodes, **({"notes": notes} if notes else {})})
    else:
        out = console()
        out.print(tree_table(rows, out))
        for note in notes:
            out.print(f"note: {note}", style="dim", markup=False)


def tree_rows(
    path: str,
    depth: int | None = None,
    scan: bool = True,
    storage_options: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return one dict per node in tree order. `guide` holds the lines before its name."""
    return _rows(path, depth, scan, storage_options)[0]


def _rows(
    path: str, depth: int | None, scan: bool, storage_options: dict[str, Any] | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of the tree, and notes on omitted data."""
    from exzarr._cli.nodes import find_node, listable
    from exzarr._format.metadata import GroupMetadata
    from exzarr._nodes.locating import FROM_CONSOLIDATED

    location, meta = find_node(path, storage_options)
    if isinstance(meta, GroupMetadata) and depth != 0:
        location = listable(location)
    notes = [] if location.root is None else [FROM_CONSOLIDATED]
    nodes = [*_walk(location, meta, "", depth)]
    rows: list[dict[str, Any]] = []
    for (inside, place, found), guide in zip(nodes, _guides([node[0] for node in nodes]), strict=True):
        name = inside.rpartition("/")[2] or path.rstrip("/").rpartition("/")[2] or "/"
        rows.append({"path": inside, "name": name, "guide": guide, **_facts(place, found, scan)})
    reasons = [row["not_known"] for row in rows if "not_known" in row]
    if reasons:
        notes.append(f"{UNKNOWN!r}: {reasons[0]}")
    return rows, notes


def _walk(
    location: Location, meta: Metadata, path: str, depth: int | None
) -> Iterator[tuple[str, Location, Metadata | ExzarrError]]:
    """Yield a node and all nodes below it in tree order, with metadata or the error of an unreadable node."""
    from exzarr._format.metadata import GroupMetadata
    from exzarr._nodes.survey import Obstacle, seen
    from exzarr.errors import ListingUnsupportedError, StoreError

    yield path, location, meta
    if not isinstance(meta, GroupMetadata) or depth == 0:
        return
    try:
        for name, child, found in seen(location):
            inside = f"{path}/{name}" if path else name
            if isinstance(found, Obstacle):
                yield inside, child, found.error
            elif found is not None:
                yield from _walk(child, found, inside, None if depth is None else depth - 1)
    except StoreError as error:
        if not path or isinstance(error, ListingUnsupportedError):
            raise
        yield f"{path}/?", location, error


def _facts(place: Location, meta: Metadata | ExzarrError, scan: bool) -> dict[str, Any]:
    from exzarr._cli.nodes import layout_of, stored
    from exzarr._format.metadata import ArrayMetadata, GroupMetadata

    if isinstance(meta, GroupMetadata):
        return {"node_type": "group", "zarr_format": meta.zarr_format}
    if not isinstance(meta, ArrayMetadata):
        return {"node_type": "unreadable", "error": str(meta)}
    layout = layout_of(meta)
    facts = {
        "node_type": "array",
        "zarr_format": meta.zarr_format,
        "shape": [*meta.shape],
        "dimension_names": None if meta.dimension_names is None else [*meta.dimension_names],
        "data_type": meta.data_type.name,
        "chunks": layout.chunks,
        "shards": layout.shards,
        "nbytes": layout.nbytes,
    }
    if scan:
        found_chunks = stored(place, meta)
        facts |= {
            "stored_objects": found_chunks.chunks,
            "nbytes_stored": found_chunks.nbytes,
        }
        if found_chunks.reason is not None:
            facts["not_known"] = found_chunks.reason
    return facts


def tree_table(rows: list[dict[str, Any]], out: Console, indent: int = 0) -> Table:
    """Return a table with one line per node. The first column is the tree, and `out` sets the width."""
    width = out.width - indent
    for left_out in range(len(_DROPPED) + 1):
        columns = _columns(rows, _DROPPED[:left_out])
        lines = [_cells(row, columns) for row in rows]
        widths = [
            max(cell_len(line[i]) for line in [["", *columns], *lines]) for i in range(len(columns) + 1)
        ]
        name_width = width - sum(widths[1:]) - GAP * len(columns)
        if widths[0] <= name_width:
            break
    return _table(rows, columns, lines, max(name_width, MIN_NAME_WIDTH))


GAP = 2
"""Number of blanks between two columns."""
MIN_NAME_WIDTH = 16
"""Minimum number of characters shown of a name and the tree before it."""
_COLUMNS = ("names", "shape", "type", "chunks", "shards", "in memory", "stored")
_DROPPED = ("names", "in memory", "shards", "stored", "chunks")
"""Columns to drop in a narrow terminal, in this order. Names that are still too wide are cut."""


_STYLES = {"group": "bold", "array": "cyan", "unreadable": "red"}


def _columns(rows: list[dict[str, Any]], left_out: Sequence[str]) -> list[str]:
    """Return the column titles. The shape includes dimension names, unless `left_out` has ``names``."""
    absent = set(left_out)
    if not any("nbytes_stored" in row for row in rows):
        absent.add("stored")
    if not any(row.get("shards") for row in rows):
        absent.add("shards")
    shape = "shape" if "names" in absent else "named shape"
    return [shape if name == "shape" else name for name in _COLUMNS if name != "names" and name not in absent]


def _cells(row: dict[str, Any], columns: Sequence[str]) -> list[str]:
    kind = row["node_type"]
    shown = [_cell(row, title) for title in columns] if kind == "array" else [""] * len(columns)
    if kind == "unreadable":
        shown[0] = "unreadable"
    return [row["guide"] + row["name"], *shown]


def _table(
    rows: list[dict[str, Any]], columns: Sequence[str], lines: list[list[str]], name_width: int
) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    table.add_column("", no_wrap=True)
    for title in columns:
        right = title in ("in memory", "stored")
        table.add_column(title.removeprefix("named "), justify="right" if right else "left", no_wrap=True)
    for row, line in zip(rows, lines, strict=True):
        name = Text.assemble((row["guide"], "dim"), (row["name"], _STYLES[row["node_type"]]))
        name.truncate(name_width, overflow="ellipsis")
        table.add_row(name, *map(Text, line[1:]))
    return table


def _cell(row: dict[str, Any], title: str) -> str:
    match title:
        case "shape" | "named shape":
            return _shape(row, title != "shape")
        case "type":
            return str(row["data_type"])
        case "chunks" | "shards":
            return "" if row[title] is None else _sizes(row[title])
        case "in memory":
            return human_bytes(row["nbytes"])
    return UNKNOWN if row["nbytes_stored"] is None else human_bytes(row["nbytes_stored"])


def _shape(row: dict[str, Any], with_names: bool) -> str:
    names = row["dimension_names"] or [None] * len(row["shape"])
    if not with_names or not any(names):
        return _sizes(row["shape"])
    return (
        ", ".join(f"{name} {n}" if name else str(n) for name, n in zip(names, row["shape"], strict=True))
        or "()"
    )


def _sizes(sizes: list[Any]) -> str:
    return "×".join("…" if isinstance(size, list) else str(size) for size in sizes) or "()"


def _guides(paths: list[str]) -> list[str]:
    """Return the lines before each name. `paths` are in tree order; the first is the root."""
    parents = [path.rpartition("/")[0] if path else None for path in paths]
    last = {parent: path for path, parent in zip(paths, parents, strict=True) if parent is not None}
    guides = []
    for path in paths:
        if not path:
            guides.append("")
            continue
        guide = "└── " if last[path.rpartition("/")[0]] == path else "├── "
        above = path.rpartition("/")[0]
        while above:
            guide = ("    " if last[above.rpartition("/")[0]] == above else "│   ") + guide
            above = above.rpartition("/")[0]
        guides.append(guide)
    return guides
