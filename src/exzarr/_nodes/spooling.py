"""Replace a node in a store that cannot move many values in one step: object stores, archives, wrappers.

The new node is built in a temporary folder of this machine, encoded as it will be stored. When it is complete, the old
node is deleted and the new one uploaded, its documents last. If the upload fails, the folder is kept, and the error
names it.
"""

from __future__ import annotations

from exzarr._engine.remote.write_behind import WriteBehind
from exzarr._nodes.hierarchy import DOCUMENTS, Location
from exzarr.errors import ExzarrError, StoreError
from exzarr.stores.instrument import instrument
from exzarr.stores.staging import HiddenFolder

__all__ = ["Spool"]


class Spool:
    """A staging place in a temporary folder of `tempfile` (``TMPDIR``); see `stores.staging.StagingArea`."""

    in_steps = True

    def __init__(self, location: Location) -> None:
        import tempfile  # slow to import

        self._to = location
        self._keeps = False
        self.store = HiddenFolder(tempfile.mkdtemp(prefix="exzarr-spool-"), durability="rename")
        self.store.destination_url = location.store.url

    def swap_in(self, *, replace: bool) -> bool:
        """Replace the node, as `StagingArea` describes. The caller holds the locks of the documents."""
        path, store = self._to.path, instrument(self._to.store)
        if not replace and next(store.list(path), None) is not None:
            return False
        try:
            for name in DOCUMENTS:  # first, so that a partially removed node is no node
                store.delete(self._to.key(name))
            store.delete_prefix(path)
            self._upload()
        except BaseException as error:
            self._keeps = True
            where = (
                f"The new data of {self._to} are whole in '{self.store.path}' (exzarr.copy puts them in place). "
                "Delete the folder afterwards"
            )
            if isinstance(error, ExzarrError | OSError):
                raise StoreError(
                    f"cannot replace {self._to}: the old node is deleted, and storing the new one failed: {error}. {where}"
                ) from error
            error.add_note(where)
            raise
        return True

    def _upload(self) -> None:
        keys = [*self.store.list(self._to.path)]
        documents = [key for key in keys if key.rpartition("/")[2] in DOCUMENTS]
        first = self._to.store.traits.documents_first
        puts = WriteBehind(instrument(self._to.store))
        if first:
            for key in sorted(documents, key=_last_and_topmost, reverse=True):
                puts.inner.put(key, self.store.get(key) or b"")
        try:
            for key in set(keys).difference(documents):
                puts.put(key, self.store.get(key) or b"")
        finally:
            puts.finish()
        for key in () if first else sorted(documents, key=_last_and_topmost):
            puts.inner.put(key, self.store.get(key) or b"")

    def discard(self) -> None:
        """Delete the folder, unless an error has to keep it."""
        if not self._keeps:
            import shutil

            shutil.rmtree(self.store.path, ignore_errors=True)


def _last_and_topmost(key: str) -> tuple[int, bool]:
    """Return the sort key of a document: children before parents, and the document that defines a node last."""
    return -key.count("/"), not key.endswith(".zattrs")
