"""Which pages the site has, and what a link between two files of the repository is on it."""

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
    """The sources of the site (absolute paths), and where each one's page lies in it."""

    notebooks: tuple[Notebook, ...]
    documents: tuple[Path, ...]

    @staticmethod
    def of_repository() -> Site:
        """All notebooks, all that is in docs/, and the changelog."""
        return Site(tuple(notebooks()), (*sorted(DOCS.rglob("*.md")), ROOT / "CHANGELOG.md"))

    @property
    def guides(self) -> tuple[Path, ...]:
        """The guides, the one to begin with first."""
        found = [path for path in self.documents if path.parent.name == "guides"]
        return tuple(sorted(found, key=lambda path: (path.stem != "getting-started", path.stem)))

    def address(self, source: Path) -> PurePosixPath | None:
        """Where the page of a file, or its copy, lies in the site; None where it has none."""
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
        """What the targets of links become that stand in the file `source`."""
        here = self.address(source)
        assert here is not None, source

        def lead(target: str) -> str | None:
            if re.match(r"[a-z]+:|#", target):
                return target
            path, _, anchor = target.partition("#")
            there = self.address(source.parent / path)
            if there is None:
                return None
            return relative(there, here) + (f"#{anchor}" if anchor else "")

        return lead


def relative(there: PurePosixPath | str, here: PurePosixPath) -> str:
    """The address of the page `there` in a link on the page `here`.

    >>> relative("style.css", PurePosixPath("guides/streams.html"))
    '../style.css'
    """
    return os.path.relpath(there, here.parent).replace(os.sep, "/")


def read_title(text: str) -> str:
    """The first heading of a Markdown text."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""
