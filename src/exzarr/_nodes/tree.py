"""Print a hierarchy as a tree."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import hierarchy
from exzarr._nodes.chunk_sizes import inner_chunks
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.survey import seen
from exzarr.errors import ListingUnsupportedError, StoreError

__all__ = ["Tree", "tree_of"]


@dataclass(frozen=True, slots=True)
class Tree:
    """One node of a printed hierarchy, with the nodes below it.

    Attributes
    ----------
    name
        The node's name; ``"/"`` for the root of a store.
    kind
        ``"array"``, ``"group"``, or ``"unreadable"``.
    facts
        Text after the name: shape and data type of an array, or the error of an unreadable node.
    children
        The children of a group, sorted by name.
    cut
        True if the group has children below the requested depth.
    """

    name: str
    kind: str
    facts: str = ""
    children: tuple[Tree, ...] = field(default=())
    cut: bool = False

    def __str__(self) -> str:
        return "\n".join([self._line(), *self._below("")])

    __repr__ = __str__

    def _line(self) -> str:
        return f"{self.name} {self.facts}".rstrip() + (" ..." if self.cut else "")

    def _below(self, indent: str) -> list[str]:
        lines = []
        for child in self.children:
            last = child is self.children[-1]
            lines.append(f"{indent}{'└── ' if last else '├── '}{child._line()}")
            lines.extend(child._below(indent + ("    " if last else "│   ")))
        return lines

    def _repr_html_(self) -> str:
        return f"<div style='font-family:monospace;line-height:1.4'>{self._folded()}</div>"

    def _folded(self) -> str:
        """Return the node as HTML, with a group that can be folded."""
        name = escape(self.name)
        if self.kind != "group":
            facts = f"<span style='opacity:.65'>{escape(self.facts)}</span>"
            return f"<div style='padding-left:14px'>{name} {facts}</div>"
        if not self.children:
            return f"<div style='padding-left:14px'><b>{name}</b>{' …' if self.cut else ''}</div>"
        inside = "".join([child._folded() for child in self.children])
        return f"<details open><summary><b>{name}</b></summary><div style='padding-left:14px'>{inside}</div></details>"


def tree_of(location: Location, level: int | None = None) -> Tree:
    """Return the tree of a group, `level` groups deep (None: all)."""
    name = location.path.rpartition("/")[2] or "/"
    return _group(name, location, level)


def _group(name: str, location: Location, level: int | None) -> Tree:
    if level is not None and level <= 0:
        return Tree(name, "group", cut=any(True for _ in hierarchy.child_names(location)))
    children = []
    try:
        for child, below, found in seen(location):
            if isinstance(found, ArrayMetadata):
                children.append(Tree(child, "array", _facts(found)))
            elif isinstance(found, GroupMetadata):
                children.append(_group(child, below, None if level is None else level - 1))
            elif found is not None:
                children.append(Tree(child, "unreadable", f"(unreadable: {found.error})"))
    except ListingUnsupportedError:
        raise
    except StoreError as error:
        return Tree(name, "unreadable", f"(unreadable: {error})", tuple(children))
    return Tree(name, "group", children=tuple(children))


def _facts(meta: ArrayMetadata) -> str:
    shape = ", ".join([str(n) for n in meta.shape]) + ("," if meta.ndim == 1 else "")
    names = meta.dimension_names
    if names is not None and any(names):
        shape = ", ".join([f"{name or '-'}: {n}" for name, n in zip(names, meta.shape, strict=True)])
    grid = meta.chunk_grid
    if not grid.regular:
        return f"({shape}) {meta.data_type.dtype}"
    inner = inner_chunks(meta)
    chunks = f"chunks {inner or grid.chunk_shape}"
    return f"({shape}) {meta.data_type.dtype} {chunks}" + (f" shards {grid.chunk_shape}" if inner else "")
