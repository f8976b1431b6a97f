"""Store the metadata documents of one node in the target, as the source has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from exzarr._format import v2, v3
from exzarr._format.appends import appends_of, has_appends, with_appends
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._nodes import hierarchy
from exzarr._nodes.hierarchy import Metadata
from exzarr.errors import ChangedError, MetadataError, UpdateUnsupportedError
from exzarr.stores.base import Buffer, NewValue, ValueReader, whole_value
from exzarr.stores.instrument import instrument

if TYPE_CHECKING:
    from exzarr._tools.sync.plan import Pair

__all__ = ["document_texts", "put_documents", "source_changed"]


def put_documents(pair: Pair) -> None:
    """Store the documents of a node. The one that defines the node is last, and is changed under its lock.

    Documents of the source are stored byte for byte, unless they have parts that belong to the source only: leases and
    consolidated metadata. Consolidated metadata and leases of the target stay.

    Raises
    ------
    ChangedError
        Another writer has changed the document since the sync was planned.
    """
    store = instrument(pair.target.store)
    texts = document_texts(pair)
    name = hierarchy.document_name(pair.meta)
    main = texts.pop(name)
    key = pair.target.key(name)

    def change(value: ValueReader | None) -> NewValue:
        if value is None:
            return [main]
        return [_merged(pair, key, whole_value(value), main)]

    for other, text in texts.items():
        store.put(pair.target.key(other), text)
    try:
        store.update(key, change)
    except UpdateUnsupportedError:  # without conditional puts, there is nothing better
        store.put(key, main)


def document_texts(pair: Pair) -> dict[str, bytes]:
    """Return the documents by name: those of the source, unless they have changed or have parts of the source only."""
    made = hierarchy.documents(pair.meta)
    store = instrument(pair.source.store)
    raw = {name: store.get(pair.source.key(name)) for name in made}
    if not _is_plain(pair, raw):
        return made
    found = {name: bytes(text) for name, text in raw.items() if text is not None}
    if v2.ZATTRS in made and v2.ZATTRS not in found and pair.stored is not None and pair.stored.attributes:
        found = {v2.ZATTRS: made[v2.ZATTRS], **found}
    return found


def _is_plain(pair: Pair, raw: Mapping[str, Buffer | None]) -> bool:
    """Return True if the documents of the source say what the plan says, and nothing else."""
    meta = pair.meta
    name = hierarchy.document_name(meta)
    document = raw[name]
    if document is None:
        return False
    try:
        found: Metadata
        if meta.zarr_format == 3:
            found = v3.loads(document, name)
        else:
            kind: Literal["array", "group"] = "array" if isinstance(meta, ArrayMetadata) else "group"
            found = v2.loads(document, raw.get(v2.ZATTRS), kind=kind, where=pair.source.path)
    except MetadataError:
        return False
    special = has_appends(found) or (
        isinstance(found, GroupMetadata) and (found.consolidated or found.broken)
    )
    return not special and hierarchy.same(found, meta)


def _merged(pair: Pair, key: str, document: bytes | bytearray, main: bytes) -> bytes:
    """Return the new document: `main` with the lease and the consolidated metadata of the present one."""
    try:
        found: Metadata
        if isinstance(pair.meta, ArrayMetadata):
            found = hierarchy.reloaded(pair.target, pair.meta, key, document)
        else:
            found = hierarchy.reloaded(pair.target, pair.meta, key, document)
    except MetadataError:
        if pair.stored is not None:
            raise
        return main  # an unreadable document is replaced
    if not hierarchy.same(found, pair.meta) and (pair.stored is None or not _same_main(found, pair.stored)):
        raise ChangedError(
            f"the document {key!r} in {pair.target.store} was changed by another writer during the sync: sync again"
        )
    meta = pair.meta
    if (
        isinstance(found, GroupMetadata)
        and isinstance(meta, GroupMetadata)
        and found.consolidated is not None
    ):
        return hierarchy.documents(meta.with_(consolidated=found.consolidated))[v3.DOCUMENT]
    if isinstance(meta, ArrayMetadata) and has_appends(found):
        return hierarchy.documents(with_appends(meta, appends_of(found)))[hierarchy.document_name(meta)]
    return main


def _same_main(found: Metadata, stored: Metadata) -> bool:
    """Return True if the document that defines the node is unchanged; v2 attributes may be in another document."""
    if stored.zarr_format == 2:
        found = found.with_(attributes=stored.attributes) if type(found) is type(stored) else found
    return hierarchy.same(found, stored)


def source_changed(pair: Pair) -> bool:
    """Return True if the node of the source has other documents now than at the time of the plan."""
    found = hierarchy.readable(pair.source)
    return found is None or not hierarchy.same(found, pair.meta)
