"""Addresses of the site's pages, and links between them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from exzarr.gallery.catalog import Notebook, notebooks

__all__ = ["ROOT", "Site", "read_title"]

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
ASSETS = {".png", ".svg", ".jpg"}


@dataclass(frozen=True, slots=True)
class Site:
    """Sources of the site (absolute paths), and the addresses of their pages."""

    notebooks: tuple[Notebook, ...]
    documents: tuple[Path, ...]

    @staticmethod
    def of_repository() -> Site:
        """Return the site of this repository: all notebooks, all documents in docs/, and the changelog."""
        return Site(tuple(notebooks()), (*sorted(DOCS.rglob("*.md")), ROOT / "CHANGELOG.md"))

    @property
    def guides(self) -> tuple[Path, ...]:
        """Guides, sorted by name after the getting-started guide."""
        found = [path for path in self.documents if path.parent.name == "guides"]
        return tuple(sorted(found, key=lambda path: (path.stem != "getting-started", path.stem)))

    def address(self, source: Path) -> PurePosixPath | None:
        """Return the address of a file's page or copy in the site, or None if it has none."""
        source = source.resolve()
        for one in self.notebooks:
            if source == one.path.resolve():
                return PurePosixPath("notebooks", f"{one.name}.html")
        below = DOCS if source.is_relative_to(DOCS) else ROOT
        if source in self.documents:
            return PurePosixPath(source.relative_to(below).with_suffix(".html").as_posix())
        if below is DOCS and source.suffix in ASSETS and source.is_file():
            return PurePosixPath(source.relative_to(below).as_posix())
        return None

    def link(self, source: Path) -> Callable[[str], str | None]:
        """Return the function that maps targets of links in the file `source` to addresses in the site."""
        here = self.address(source)
        assert here is not None, source

        def resolve(target: str) -> str | None:
            if re.match(r"[a-z]+:|#", target):
                return target
            path, _, anchor = target.partition("#")
            there = self.address(source.parent / path)
            if there is None:
                return None
            return relative(there, here) + (f"#{anchor}" if anchor else "")

        return resolve


def relative(there: PurePosixPath | str, here: PurePosixPath) -> str:
    """Return the relative address of the page `there` on the page `here`.

    >>> relative("style.css", PurePosixPath("guides/streams.html"))
    '../style.css'
    """
    return os.path.relpath(there, here.parent).replace(os.sep, "/")


def read_title(text: str) -> str:
    """Return the first heading of a Markdown text."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""
