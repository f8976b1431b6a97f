"""Print a hierarchy as a tree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._html.fragments import attributes, facts, folded, framed, shortened
from exzarr._nodes import hierarchy
from exzarr._nodes.chunk_sizes import inner_chunks
from exzarr._nodes.codec_parts import configurations
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.survey import seen
from exzarr._nodes.words import compression_words, filter_words, value_words
from exzarr.errors import ListingUnsupportedError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Tree", "tree_of"]

MOST_SHOWN = 1000
"""Maximum number of nodes in the HTML of a tree."""

MOST_DESCRIBED = 200
"""Maximum number of arrays whose properties are in the HTML of a tree."""


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
    meta
        The node's metadata; None if it is unreadable.
    """

    name: str
    kind: str
    facts: str = ""
    children: tuple[Tree, ...] = field(default=())
    cut: bool = False
    meta: ArrayMetadata | GroupMetadata | None = field(default=None, compare=False, repr=False)

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
        return framed(self.html())

    def html(self) -> str:
        """Return the tree as HTML without a style. Groups can be folded, and arrays unfolded."""
        return self._folded(iter(range(MOST_SHOWN)), described=True)

    def _folded(self, numbers: Iterator[int], *, described: bool) -> str:
        if self.kind != "group":
            body = _properties(self.meta) if described and isinstance(self.meta, ArrayMetadata) else ""
            return folded(self.name, body, self.facts)
        inside = [attributes(self.meta.attributes)] if self.meta is not None else []
        for i, child in enumerate(self.children):
            number = next(numbers, None)
            if number is None:
                inside.append(f"<div class='below pale'>and {len(self.children) - i:,} more</div>")
                break
            inside.append(child._folded(numbers, described=number < MOST_DESCRIBED))
        return folded(self.name, "".join(inside), "…" if self.cut else "", opened=bool(self.children))


def _properties(meta: ArrayMetadata) -> str:
    filters, _, compressors = configurations(meta)
    pairs = [
        ("Compression", compression_words(compressors)),
        ("Fill value", shortened(value_words(meta.fill_value))),
    ]
    if filters:
        pairs.insert(1, ("Filters", filter_words(filters)))
    return facts(pairs) + attributes(meta.attributes)


def tree_of(location: Location, level: int | None = None) -> Tree:
    """Return the tree of a group, `level` groups deep (None: all)."""
    name = location.path.rpartition("/")[2] or "/"
    return _group(name, location, level)


def _group(name: str, location: Location, level: int | None, meta: GroupMetadata | None = None) -> Tree:
    if level is not None and level <= 0:
        return Tree(name, "group", cut=any(True for _ in hierarchy.child_names(location)), meta=meta)
    children = []
    try:
        for child, below, found in seen(location):
            if isinstance(found, ArrayMetadata):
                children.append(Tree(child, "array", _facts(found), meta=found))
            elif isinstance(found, GroupMetadata):
                children.append(_group(child, below, None if level is None else level - 1, found))
            elif found is not None:
                children.append(Tree(child, "unreadable", f"(unreadable: {found.error})"))
    except ListingUnsupportedError:
        raise
    except StoreError as error:
        return Tree(name, "unreadable", f"(unreadable: {error})", tuple(children))
    return Tree(name, "group", children=tuple(children), meta=meta)


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
