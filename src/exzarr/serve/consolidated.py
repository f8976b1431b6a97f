"""Store wrapper that makes the consolidated metadata of groups when their documents are read."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable
from threading import Lock

from exzarr._format import consolidated as formats, json_text, v2, v3
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.nodes import consolidate, without_consolidated
from exzarr._nodes import hierarchy
from exzarr._nodes.hierarchy import Location
from exzarr._nodes.survey import MOST_NAMED, survey
from exzarr.errors import MetadataError
from exzarr.stores.base import (
    Buffer,
    ByteRange,
    BytesReader,
    Fetched,
    Store,
    ValueReader,
    changed_error,
    resolve_range,
)
from exzarr.stores.wrappers.base import StoreWrapper

__all__ = ["ConsolidatingStore"]

LASTS_SECONDS = 2.0
"""How long a document is kept. Many clients that open a hierarchy together cause one survey of it."""

MOST_KEPT = 64


class ConsolidatingStore(StoreWrapper):
    """Wrapper whose groups have consolidated metadata: in ``zarr.json`` (v3), and as ``.zmetadata`` (v2).

    Consolidated metadata that is stored is not used. A group that cannot be parsed keeps its own document.

    Parameters
    ----------
    inner
        The store.
    clock
        The time in seconds.
    """

    def __init__(self, inner: Store, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(inner)
        self._clock = clock
        self._lock = Lock()
        self._kept: dict[str, tuple[float, bytes | None]] = {}
        self._named: set[str] = set()

    def get(self, key: str, byte_range: ByteRange | None = None) -> Buffer | None:
        made = self._document(key)
        if made is None:
            return super().get(key, byte_range)
        begin, end = resolve_range(byte_range or (0, None), len(made))
        return made[begin:end]

    def read_into(self, key: str, buffer: memoryview, start: int = 0) -> int:
        return Store.read_into(self, key, buffer, start)  # by `get`

    def open_value(self, key: str) -> ValueReader | None:
        made = self._document(key)
        return super().open_value(key) if made is None else BytesReader(made)

    def fetch(
        self, key: str, byte_range: ByteRange | None = None, version: Hashable = None
    ) -> Fetched | None:
        made = self._document(key)
        if made is None:
            return super().fetch(key, byte_range, version)
        if version is not None:
            raise changed_error(self, key)
        begin, end = resolve_range(byte_range or (0, None), len(made))
        return Fetched(made[begin:end], len(made), None)

    def size(self, key: str) -> int | None:
        made = self._document(key)
        return super().size(key) if made is None else len(made)

    def _document(self, key: str) -> bytes | None:
        """Return the document with consolidated metadata at `key`; None for all other keys."""
        group, _, name = key.rpartition("/")
        if name not in (v3.DOCUMENT, v2.ZMETADATA):
            return None
        with self._lock:
            until, made = self._kept.get(key, (0.0, None))
            if self._clock() >= until:
                made = self._make(group, 3 if name == v3.DOCUMENT else 2)
                if len(self._kept) >= MOST_KEPT:
                    self._kept.clear()
                self._kept[key] = self._clock() + LASTS_SECONDS, made
            return made

    def _make(self, path: str, zarr_format: hierarchy.ZarrFormat) -> bytes | None:
        location = Location(self.inner, path)
        try:
            group = hierarchy.find(location, zarr_format)
        except MetadataError:
            return None
        if not isinstance(group, GroupMetadata):
            return None
        below = survey(location, zarr_format)
        self._name_left_out(path, [str(obstacle) for obstacle in below.obstacles])
        nodes: dict[str, ArrayMetadata | GroupMetadata] = dict(below.nodes)
        if zarr_format == 2:
            return json_text.encode(formats.to_v2(consolidate({"": group, **nodes}, 2)))
        return v3.dumps(without_consolidated(group).with_(consolidated=consolidate(nodes, 3)))

    def _name_left_out(self, path: str, left_out: list[str]) -> None:
        text = "; ".join(left_out[:MOST_NAMED])
        if text and text not in self._named:
            self._named = {*self._named, text} if len(self._named) < MOST_KEPT else {text}
            more = f"; and {len(left_out) - MOST_NAMED} more" if len(left_out) > MOST_NAMED else ""
            logging.getLogger("exzarr.serve").warning(
                "left out of the consolidated metadata of %r: %s%s", path or "/", text, more
            )
