"""What a left-over temporary file says of what its writer meant to do. Pure: bytes in, an `Intent` out.

There are two kinds. A *metadata document* under a temporary name: the array or group was about to become what it
says, or had been that just before. A *note*: ``{"exzarr_note": 1, "nodes": ["a"]}``, nodes about which
consolidated metadata may be out of date, seen from the folder that the note lies in (``""``: that folder's own node).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from exzarr._format import json_text, v2, v3
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.nodes import consolidated_node
from exzarr.errors import ExzarrError

__all__ = ["MOST", "Intent", "about_nodes", "parse"]

MOST = 64 * 1024 * 1024
"""Bytes that a document or a note has at most."""

VERSION = 1


def about_nodes(*names: str) -> bytes:
    """A note that the nodes called so are being changed, made or removed."""
    return json.dumps({"exzarr_note": VERSION, "nodes": names}).encode()


@dataclass(frozen=True, slots=True)
class Intent:
    """What was meant to be done.

    Attributes
    ----------
    path
        The node in whose folder it was found.
    meta
        The document that it is; None for a note.
    nodes
        Paths, from the root of the store, of the nodes that a note names.
    """

    path: str
    meta: ArrayMetadata | GroupMetadata | None = None
    nodes: tuple[str, ...] = ()

    def array_at(self, path: str) -> ArrayMetadata | None:
        """The array at `path`, as it was to be, or had been; None where nothing is said of it."""
        if isinstance(self.meta, ArrayMetadata):
            return self.meta if path == self.path else None
        below = _below(path, self.path)
        if not below or self.meta is None or self.meta.consolidated is None:
            return None
        try:
            found = consolidated_node(self.meta.consolidated, below)
        except ExzarrError:
            return None
        return found if isinstance(found, ArrayMetadata) else None

    def arrays(self) -> dict[str, ArrayMetadata]:
        """All arrays of which it says what they were to be, by path."""
        if isinstance(self.meta, ArrayMetadata):
            return {self.path: self.meta}
        if self.meta is None or self.meta.consolidated is None:
            return {}
        paths = [f"{self.path}/{below}".lstrip("/") for below in self.meta.consolidated.documents if below]
        found = {path: self.array_at(path) for path in paths}
        return {path: meta for path, meta in found.items() if meta is not None}

    def has_chunk(self, path: str, index: tuple[int, ...]) -> bool:
        """Whether it says that the array at `path` has a chunk at `index`."""
        meta = self.array_at(path)
        if meta is None or meta.ndim != len(index):
            return False
        return all(map(int.__lt__, index, meta.chunk_grid.chunk_counts))

    def concerns(self, path: str) -> bool:
        """Whether the node at `path` may differ from what consolidated metadata says of it."""
        if any(path == node or _below(path, node) is not None for node in self.nodes):
            return True
        return isinstance(self.meta, GroupMetadata) and self.array_at(path) is not None


def parse(path: str, text: bytes) -> Intent | None:
    """The intent that was found in the folder of the node at `path`; None where it is none."""
    try:
        parsed = json_text.decode(text, "note")
        if "exzarr_note" in parsed:
            return _note(path, parsed)
        if parsed.get("zarr_format") == 3:
            return Intent(path, v3.parse(parsed))
        if parsed.get("zarr_format") == 2:
            return Intent(
                path, v2.loads(text, None, kind="array" if "shape" in parsed else "group", where=path)
            )
    except (ExzarrError, RecursionError):
        pass
    return None


def _note(path: str, parsed: dict[str, object]) -> Intent | None:
    names = parsed.get("nodes")
    if parsed["exzarr_note"] != VERSION or not isinstance(names, list):
        return None
    nodes = [f"{path}/{name}".strip("/") for name in names if isinstance(name, str)]
    return Intent(path, nodes=tuple(nodes))


def _below(path: str, group: str) -> str | None:
    """`path` as seen from `group`; None where it is not below it."""
    head = f"{group}/" if group else ""
    return path[len(head) :] if path.startswith(head) and path != group else None
