"""The catalog of the gallery: its notebooks and their headers.

A notebook is a file ``NN_theme/NN_MM_name.py``. Its first ``mo.md`` is its header, which has a fixed form. The catalog
reads the header from the source, so a listing runs no notebook::

    # The title

    One sentence about the content.

    - **Goal.** What a reader can do afterwards.
    - **Data.** The data and their source.
    - **Licence.** The licence of the data.
    - **Run time.** About 3 s, and on which machine.
    - **Try next.** What to change, and what to read next.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import exzarr
from exzarr.errors import ArgumentError, NodeNotFoundError

__all__ = [
    "FIELDS",
    "THEMES",
    "Header",
    "Notebook",
    "find",
    "folder",
    "notebooks",
    "parse_header",
    "theme_title",
]

FIELDS = ("Goal", "Data", "Licence", "Run time", "Try next")
"""Items of a header, in their order."""

THEMES = {
    "01_core_zarr": "Core Zarr",
    "02_operations": "Pipelines and operations",
    "03_earth": "Earth and climate",
    "04_ai_genai": "AI and generative AI",
    "05_finance": "Finance",
    "06_crypto": "Crypto",
    "07_life_sciences": "Life sciences and imaging",
    "08_industry": "Industry, energy and experiments",
}
"""Folders of the notebooks, and their titles."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a notebook: Markdown, one line per item."""

    title: str
    summary: str
    goal: str
    data: str
    licence: str
    run_time: str
    try_next: str


@dataclass(frozen=True, slots=True)
class Notebook:
    """One notebook: its file and its header."""

    path: Path
    header: Header

    @property
    def name(self) -> str:
        """Name of the notebook, such as ``01_01_first_zarr_array``."""
        return self.path.stem

    @property
    def theme(self) -> str:
        """Name of its folder, such as ``01_core_zarr``."""
        return self.path.parent.name


def theme_title(theme: str) -> str:
    """Return the title of the folder `theme`.

    >>> theme_title("04_ai_genai")
    'AI and generative AI'
    """
    return THEMES.get(theme) or theme.partition("_")[2].replace("_", " ").capitalize()


@cache
def folder() -> Path:
    """Return the folder of the notebooks: in the package, or next to its sources in a checkout."""
    package = Path(exzarr.__file__).parent
    for place in (package / "notebooks", package.parents[1] / "notebooks"):
        if place.is_dir():
            return place
    raise NodeNotFoundError(
        f"this installation of exzarr has no notebooks (searched in and next to {package})"
    )


def notebooks() -> list[Notebook]:
    """Return all notebooks, sorted by theme and number."""
    paths = sorted(folder().glob("[0-9][0-9]_*/[0-9][0-9]_[0-9][0-9]_*.py"))
    return [Notebook(path, parse_header(path)) for path in paths]


def find(name: str) -> Notebook:
    """Return the notebook with the name `name`.

    Parameters
    ----------
    name
        A name such as ``01_01_first_zarr_array``, or any part that occurs in only one name.

    Raises
    ------
    NodeNotFoundError
        No notebook has this name.
    ArgumentError
        Several notebooks have this part in their names.
    """
    wanted = name.removesuffix(".py").replace("-", "_").lower()
    known = notebooks()
    found = [one for one in known if wanted in (one.name, f"{one.theme}/{one.name}")]
    found = found or [one for one in known if wanted in f"{one.theme}/{one.name}"]
    if len(found) == 1:
        return found[0]
    names = ", ".join([one.name for one in found or known])
    if found:
        raise ArgumentError(f"{name!r} is part of several names: {names}")
    raise NodeNotFoundError(f"there is no notebook {name!r}; there are {names}")


def parse_header(path: Path) -> Header:
    """Return the header of the notebook at `path`; raise `ArgumentError` if its form is wrong."""
    text = inspect.cleandoc(next(_markdown(ast.parse(path.read_text(encoding="utf-8"))), ""))
    title, summary, *_ = [*[" ".join(part.split()) for part in text.split("\n\n")], "", ""]
    items = {
        name: " ".join(words.split())
        for name, words in re.findall(r"^- \*\*([\w ]+)\.\*\*\s+(.+(?:\n  .+)*)", text, re.MULTILINE)
    }
    if not title.startswith("# ") or not summary or tuple(items) != FIELDS:
        raise ArgumentError(
            f"{path}: the first mo.md has to be the header: '# Title', a sentence, and a list with "
            f"{', '.join(f'**{name}.**' for name in FIELDS)}; see docs/content/writing-a-tutorial.md"
        )
    return Header(title[2:], summary, *[items[name] for name in FIELDS])


def _markdown(tree: ast.Module) -> Iterator[str]:
    """Yield the literal texts of all ``mo.md`` calls, from top to bottom."""
    for cell in tree.body:
        for node in ast.walk(cell):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="mo"), attr="md"),
                    args=[ast.Constant(value=str(text))],
                ):
                    yield text
