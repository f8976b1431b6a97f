"""The table of zarr-python's public names in docs/guides/migrating.md, from the installed zarr-python.

``python -m tests.zarr.names_table`` updates the page.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from types import ModuleType

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "migrating.md"
BEGIN = "<!-- names of zarr-python: python -m tests.zarr.names_table -->"
END = "<!-- end of the names -->"
PLACES = ["", ".api.synchronous", ".codecs", ".dtype", ".errors", ".storage"]
CLASSES = ["Array", "Group"]


def table() -> str:
    """Return the table: for each place, the names that `exzarr.zarr` has, and those that it lacks."""
    rows = ["| zarr-python | `exzarr.zarr` has | and lacks |", "| --- | --- | --- |"]
    for place in PLACES:
        theirs, ours = (importlib.import_module(f"{package}{place}") for package in ("zarr", "exzarr.zarr"))
        rows.append(_row(f"zarr{place}", _public(theirs), ours))
    zarr, drop_in = importlib.import_module("zarr"), importlib.import_module("exzarr.zarr")
    for name in CLASSES:
        members = sorted(one for one in vars(getattr(zarr, name)) if not one.startswith("_"))
        rows.append(_row(f"zarr.{name}", members, getattr(drop_in, name)))
    return "\n".join(rows)


def _public(module: ModuleType) -> list[str]:
    return sorted(name for name in module.__all__ if not name.startswith("_"))


def _row(title: str, names: list[str], ours: object) -> str:
    has = [name for name in names if hasattr(ours, name)]
    lacks = [name for name in names if name not in has]
    return f"| `{title}` | {_list(has)} | {_list(lacks)} |"


def _list(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "-"


def documented() -> str:
    """Return the table in the page."""
    found = re.search(
        f"{re.escape(BEGIN)}\n\n(.*?)\n\n{re.escape(END)}", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert found is not None
    return found[1]


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
