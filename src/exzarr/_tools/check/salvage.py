"""Rescue the inner chunks of a damaged shard that are certain to be intact."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from exzarr._engine.shards import ShardLayout
from exzarr._tools.check.shards import judge, pieces, read_index
from exzarr.codecs.base import Buffer
from exzarr.errors import StoreError
from exzarr.stores.base import ValueReader

__all__ = ["Rescued", "rescue"]


@dataclass(frozen=True, slots=True)
class Rescued:
    """Encoded inner chunks by number, and the known numbers of lost inner chunks."""

    chunks: dict[int, bytes]
    lost: tuple[int, ...]

    def parts(self, layout: ShardLayout) -> list[Buffer]:
        """Return the parts of a new shard with the rescued inner chunks."""
        return layout.shards.parts([self.chunks.get(number) for number in range(layout.shards.count)])


def rescue(layout: ShardLayout, value: ValueReader) -> Rescued:
    """Return the inner chunks of the shard `value` that can be decoded.

    If the index is sound, this is sufficient. If it is not (its checksum is wrong, or it points outside the shard), an
    inner chunk also needs a correct checksum of its own, and no other index entry may point to the same bytes. An index
    at the end may also be shifted by a few entries, because the end is missing. Its first entry must therefore be
    correct, or nothing is rescued.
    """
    index = read_index(layout.shards, value)
    if not index.sound and not layout.inner.checks:
        return Rescued({}, tuple(index.numbers.tolist()))
    claims = Counter(zip(index.starts.tolist(), index.lengths.tolist(), strict=True))
    chunks: dict[int, bytes] = {}
    lost: list[int] = []
    for i, (number, data) in enumerate(pieces(value, index)):
        wrong = judge(layout, data)
        if wrong is not None and wrong[0] == "EXZ206":
            raise StoreError(f"inner chunk {number} cannot be decoded on this machine: {wrong[1]}")
        contested = not index.sound and claims[int(index.starts[i]), int(index.lengths[i])] > 1
        if wrong is not None or contested:
            lost.append(number)
        else:
            chunks[number] = bytes(data)
    if not index.sound and layout.shards.index_location == "end" and 0 not in chunks:
        return Rescued({}, tuple(sorted(index.numbers.tolist())))
    return Rescued(chunks, tuple(sorted(lost)))
