"""What can be rescued of a damaged shard: the inner chunks of which it is certain that they are what they were."""

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
    """The encoded inner chunks by number, and numbers of those that are lost, as far as they are known."""

    chunks: dict[int, bytes]
    lost: tuple[int, ...]

    def parts(self, layout: ShardLayout) -> list[Buffer]:
        """A new shard of what was rescued, in pieces."""
        return layout.shards.parts([self.chunks.get(number) for number in range(layout.shards.count)])


def rescue(layout: ShardLayout, value: ValueReader) -> Rescued:
    """The inner chunks of the shard `value` that still decode.

    Where the index can be trusted, that is all it takes. Where it cannot (its checksum is wrong, or it points
    outside), an inner chunk counts only if a checksum of its own says that it is one, and no other entry of the
    index lays claim to the same bytes. An index at the end may moreover stand a few entries from where it
    is looked for, as the end was cut off; so its first entry has to be right, or none of it counts.
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
            raise StoreError(f"inner chunk {number} cannot be decoded here: {wrong[1]}")
        contested = not index.sound and claims[int(index.starts[i]), int(index.lengths[i])] > 1
        if wrong is not None or contested:
            lost.append(number)
        else:
            chunks[number] = bytes(data)
    if not index.sound and layout.shards.index_location == "end" and 0 not in chunks:
        return Rescued({}, tuple(sorted(index.numbers.tolist())))
    return Rescued(chunks, tuple(sorted(lost)))
