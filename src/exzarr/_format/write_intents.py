"""Write intents: records that writers of several steps store in temporary files. Pure parsing, no I/O.

There are two kinds. A *metadata document* under a temporary name is the next or the previous state of the array
or group. A *note*, ``{"exzarr_note": 1, "nodes": ["a"]}``, lists nodes whose consolidated metadata may be out
of date. Its paths are relative to the folder of the note; ``""`` is the node of that folder.
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
"""Maximum bytes of a document or a note."""

VERSION = 1


def about_nodes(*names: str) -> bytes:
    """Return a note for nodes that are about to be changed, created or deleted."""
    return json.dumps({"exzarr_note": VERSION, "nodes": names}).encode()


@dataclass(frozen=True, slots=True)
class Intent:
    """A write intent.

    Attributes
    ----------
    path
        Path of the node whose folder contains the intent.
    meta
        The metadata document; None for a note.
    nodes
        Paths of the nodes in a note, from the root of the store.
    """

    path: str
    meta: ArrayMetadata | GroupMetadata | None = None
    nodes: tuple[str, ...] = ()

    def array_at(self, path: str) -> ArrayMetadata | None:
        """Return the intended or previous metadata of the array at `path`, or None if unknown."""
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
        """Return the intended or previous metadata of all arrays, by path."""
        if isinstance(self.meta, ArrayMetadata):
            return {self.path: self.meta}
        if self.meta is None or self.meta.consolidated is None:
            return {}
        paths = [f"{self.path}/{below}".lstrip("/") for below in self.meta.consolidated.documents if below]
        found = {path: self.array_at(path) for path in paths}
        return {path: meta for path, meta in found.items() if meta is not None}

    def has_chunk(self, path: str, index: tuple[int, ...]) -> bool:
        """Return True if, by this intent, the array at `path` has a chunk at `index`."""
        meta = self.array_at(path)
        if meta is None or meta.ndim != len(index):
            return False
        return all(map(int.__lt__, index, meta.chunk_grid.chunk_counts))

    def concerns(self, path: str) -> bool:
        """Return True if the node at `path` may differ from its consolidated metadata."""
        if any(path == node or _below(path, node) is not None for node in self.nodes):
            return True
        return isinstance(self.meta, GroupMetadata) and self.array_at(path) is not None


def parse(path: str, text: bytes) -> Intent | None:
    """Parse a temporary file in the folder of the node at `path`; return None if it is not an intent."""
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
    """Return `path` relative to `group`, or None if it is not below it."""
    head = f"{group}/" if group else ""
    return path[len(head) :] if path.startswith(head) and path != group else None
