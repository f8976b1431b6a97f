"""Which notebooks there are, and what each says of itself.

A notebook is a file ``NN_theme/NN_MM_name.py``. Its first ``mo.md`` is its header, and has a fixed form; it is read
from the source, so listing runs nothing::

    # The title

    One sentence on what it shows.

    - **Goal.** What a reader can do afterwards.
    - **Data.** What it works on, and where that comes from.
    - **Licence.** The data's.
    - **Run time.** About 3 s, and on what.
    - **Try next.** What to change, and where to go from here.
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
"""What a header has to say, in this order."""

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
"""Folders, and what people call them."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a notebook says of itself: Markdown, each on one line."""

    title: str
    summary: str
    goal: str
    data: str
    licence: str
    run_time: str
    try_next: str


@dataclass(frozen=True, slots=True)
class Notebook:
    """One notebook: where it is; and what its header says."""

    path: Path
    header: Header

    @property
    def name(self) -> str:
        """As in ``01_01_first_zarr_array``."""
        return self.path.stem

    @property
    def theme(self) -> str:
        """Its folder, as in ``01_core_zarr``."""
        return self.path.parent.name


def theme_title(theme: str) -> str:
    """What people call the folder `theme`.

    >>> theme_title("04_ai_genai")
    'AI and generative AI'
    """
    return THEMES.get(theme) or theme.partition("_")[2].replace("_", " ").capitalize()


@cache
def folder() -> Path:
    """Where the notebooks are: in the package, or beside its sources in a checkout."""
    package = Path(exzarr.__file__).parent
    for place in (package / "notebooks", package.parents[1] / "notebooks"):
        if place.is_dir():
            return place
    raise NodeNotFoundError(f"this installation of exzarr has no notebooks (looked beside {package})")


def notebooks() -> list[Notebook]:
    """All of them, by theme and number."""
    paths = sorted(folder().glob("[0-9][0-9]_*/[0-9][0-9]_[0-9][0-9]_*.py"))
    return [Notebook(path, parse_header(path)) for path in paths]


def find(name: str) -> Notebook:
    """The notebook called `name`: ``01_01_first_zarr_array``, or any part of that which only one has.

    Raises `NodeNotFoundError` where there is none, and `ArgumentError` where there are several.
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
    """The header of the notebook at `path`; `ArgumentError` where it has none in the fixed form."""
    text = inspect.cleandoc(next(_markdown(ast.parse(path.read_text(encoding="utf-8"))), ""))
    title, summary, *_ = [*[" ".join(part.split()) for part in text.split("\n\n")], "", ""]
    said = {
        name: " ".join(words.split())
        for name, words in re.findall(r"^- \*\*([\w ]+)\.\*\*\s+(.+(?:\n  .+)*)", text, re.MULTILINE)
    }
    if not title.startswith("# ") or not summary or tuple(said) != FIELDS:
        raise ArgumentError(
            f"{path}: the first mo.md has to be the header: '# Title', a sentence, and a list with "
            f"{', '.join(f'**{name}.**' for name in FIELDS)}; see docs/content/writing-a-tutorial.md"
        )
    return Header(title[2:], summary, *[said[name] for name in FIELDS])


def _markdown(tree: ast.Module) -> Iterator[str]:
    """The texts that are given to ``mo.md`` as they stand, from the top."""
    for cell in tree.body:
        for node in ast.walk(cell):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="mo"), attr="md"),
                    args=[ast.Constant(value=str(text))],
                ):
                    yield text
