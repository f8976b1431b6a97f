"""`exzarr.repair`: carry out a plan. Each action checks again that its finding still holds."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zlib import crc32

from exzarr._engine.source import ChunkSource, open_source
from exzarr._format import v3
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from exzarr._format.nodes import without_consolidated
from exzarr._nodes import hierarchy
from exzarr._nodes.array import Array
from exzarr._nodes.consolidate import consolidate
from exzarr._nodes.group import Group
from exzarr._nodes.hierarchy import Location, normalize_path
from exzarr._spelling import known_arguments
from exzarr._tools.check.consolidated import inspect_consolidated
from exzarr._tools.check.documents import inspect_documents, join, mended
from exzarr._tools.check.entries import QUARANTINE
from exzarr._tools.check.inspect import ChunkInspector
from exzarr._tools.check.leftovers import inspect_leftover
from exzarr._tools.check.plan import Action, RepairPlan
from exzarr._tools.check.quarantine import Replacement, quarantine_key, set_aside
from exzarr._tools.check.recovery import finish
from exzarr._tools.check.salvage import Rescued, rescue
from exzarr._tools.check.stored_intents import intent_in
from exzarr._tools.copy import locate
from exzarr._tools.copy_plan import place_of
from exzarr.errors import ArgumentError, ExzarrError, ReadOnlyError
from exzarr.stores.base import (
    KEEP,
    Buffer,
    NewValue,
    Store,
    ValueReader,
    check_key,
    check_prefix,
    is_reserved,
    whole_value,
)
from exzarr.stores.instrument import instrument
from exzarr.stores.resolve import StoreLike

if TYPE_CHECKING:
    from exzarr.stores.url_options import StorageOptions

__all__ = ["Outcome", "RepairReport", "repair"]

Result = Literal["done", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of one action: ``"done"``, ``"skipped"`` (the value has changed) or ``"failed"``, with details."""

    action: Action
    result: Result
    detail: str

    def __str__(self) -> str:
        return f"{self.result}: {self.action.key or '/'}: {self.detail}"


@dataclass(frozen=True, slots=True)
class RepairReport:
    """The result of `exzarr.repair`. Print it to see the outcome of each action."""

    place: str
    outcomes: tuple[Outcome, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """True if no action failed."""
        return all(outcome.result != "failed" for outcome in self.outcomes)

    def asdict(self) -> dict[str, Any]:
        """Return the report as a plain dict."""
        return {
            "place": self.place,
            "ok": self.ok,
            "outcomes": [asdict(outcome) for outcome in self.outcomes],
            "seconds": round(self.seconds, 6),
        }

    def to_json(self) -> str:
        """Return the report as JSON."""
        return json.dumps(self.asdict(), indent=2)

    def __str__(self) -> str:
        counts = {
            result: sum(o.result == result for o in self.outcomes) for result in ("done", "skipped", "failed")
        }
        found = ", ".join(f"{n} {result}" for result, n in counts.items() if n) or "nothing to do"
        return "\n".join([f"{self.place}: {found}", *[f"  {outcome}" for outcome in self.outcomes]])

    def _repr_html_(self) -> str:
        from exzarr._html.fragments import framed, heading, table

        rows = [(one.result, one.action.key or "/", one.detail) for one in self.outcomes]
        title = heading(self.place, str(self).splitlines()[0].removeprefix(f"{self.place}: "))
        return framed(title, table(("result", "key", "detail"), rows, frozenset({0, 1, 2})) if rows else "")


@known_arguments
def repair(
    target: Array | Group | StoreLike,
    plan: RepairPlan | str | os.PathLike[str],
    *,
    path: str = "",
    storage_options: StorageOptions | None = None,
) -> RepairReport:
    """Carry out a plan that `CheckReport.plan` made.

    Each action first inspects its value again, and is skipped if the problem is gone or the value has changed. Data is
    moved, never deleted: damaged chunks go to ``__exzarr_quarantine__`` below their array. Zarr readers ignore this
    prefix, and you can move the chunks back.

    Parameters
    ----------
    target, path
        The checked array or group; or a store (or a path, or URL), and a path in it.
    plan
        The plan, or the file in which it is saved.
    storage_options
        Options for a URL: see `exzarr.open`.

    Returns
    -------
    RepairReport
        The outcome of each action.

    Raises
    ------
    ArgumentError
        The plan was made for another node.
    ReadOnlyError
        The store is read-only.
    """
    if not isinstance(plan, RepairPlan):
        plan = RepairPlan.load(plan)
    started = time.perf_counter()
    with ExitStack() as opened:
        location = locate(target, path, "r+", opened, storage_options)
        place = place_of(location)
        if (plan.place, plan.path) != (place, location.path):
            raise ArgumentError(f"the plan was made for {plan.place}, not for {place}")
        if location.store.read_only:
            raise ReadOnlyError(f"cannot repair {place}: it is read-only")
        repairer = _Repairer(instrument(location.store))
        outcomes = tuple([repairer.carry_out(action) for action in plan.actions])
        return RepairReport(place, outcomes, time.perf_counter() - started)


class _Repairer:
    """Carries out actions on one store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        # Sorts by time, and is unique.
        self.stamp = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.urandom(3).hex()}"
        self._does: dict[str, Callable[[Action], tuple[Result, str]]] = {
            "mend": self._mend,
            "consolidate": self._consolidate,
            "remove": self._remove,
            "quarantine": self._quarantine,
            "rescue": self._rescue,
        }

    def carry_out(self, action: Action) -> Outcome:
        """Carry out one action, unless its finding no longer holds."""
        try:
            _check_names(action)
            return Outcome(action, *self._does[action.what](action))
        except ExzarrError as error:
            return Outcome(action, "failed", str(error))

    # -- actions ---------------------------------------------------------------------------

    def _consolidate(self, action: Action) -> tuple[Result, str]:
        location = Location(self.store, action.path)
        documents = inspect_documents(self.store, action.path)
        if not isinstance(documents.meta, GroupMetadata):
            return "skipped", "the group no longer exists"
        zarr_format = documents.meta.zarr_format
        broken = any(finding.code == "EXZ601" for finding in documents.findings)
        head = location.key("")
        below = [head + path for path, _ in hierarchy.nodes_below(location)]
        if not broken and not inspect_consolidated(self.store, action.path, zarr_format, below):
            return "skipped", "the problem is gone"
        if broken:  # otherwise the group could not be read
            self.store.put(action.key, v3.dumps(without_consolidated(documents.meta)))
        consolidate(location)
        return "done", "consolidated the metadata"

    def _mend(self, action: Action) -> tuple[Result, str]:
        result: tuple[Result, str] = "skipped", "the document no longer exists"

        def change(value: ValueReader | None) -> NewValue:
            nonlocal result
            if value is None:
                return KEEP
            stored = bytes(whole_value(value))
            if str(crc32(stored)) != action.fingerprint:
                result = "skipped", "the document has changed since the check"
                return KEEP
            made, notes = mended(action.key.rpartition("/")[2], stored, action.key)
            if not notes:
                result = "skipped", "the problem is gone"
                return KEEP
            result = "done", "stored a valid document"
            return [made]

        self.store.update(action.key, change)
        return result

    def _remove(self, action: Action) -> tuple[Result, str]:
        finding, _ = inspect_leftover(self.store, action.path, action.key, 0.0)
        folder = self.store.local_path("")
        if finding is None or folder is None:
            return "skipped", "the file no longer exists, or its process is still running"
        if finding.fingerprint != action.fingerprint:
            return "skipped", "the file has changed since the check"
        intent = intent_in(self.store, action.key)
        # The file is removed last: until then it explains the unfinished write.
        did = "" if intent is None else finish(self.store, intent, self.stamp)
        file = Path(folder) / action.key
        if file.is_dir() and not file.is_symlink():
            import shutil

            shutil.rmtree(file, ignore_errors=True)
        else:
            file.unlink(missing_ok=True)
        return "done", f"removed; {did}" if did else "removed"

    def _quarantine(self, action: Action) -> tuple[Result, str]:
        source = self._source(action.path)
        if source is None or not self.store.exists(action.key):
            return "skipped", "the chunk no longer exists"
        index = source.index(action.key)
        if "EXZ401" in action.codes:
            counts = source.grid.chunk_counts
            if len(index) == len(counts) and all(map(int.__lt__, index, counts)):
                return "skipped", "the array has grown and now contains the chunk"
        elif not any(
            finding.code in action.codes for finding in ChunkInspector(source, True, False)(action.key, index)
        ):
            return "skipped", "the problem is gone"
        return self._set_aside(action, None)

    def _rescue(self, action: Action) -> tuple[Result, str]:
        source = self._source(action.path)
        if source is None or not source.sharded or not self.store.exists(action.key):
            return "skipped", "the shard no longer exists"
        layout = source.layout or source.layout_at(action.key)
        rescued = Rescued({}, ())

        def replacement(value: ValueReader) -> list[Buffer] | None:
            nonlocal rescued
            rescued = rescue(layout, value)
            return rescued.parts(layout) if rescued.chunks else None

        result, detail = self._set_aside(action, replacement)
        if result == "done":
            lost = f", lost {', '.join(map(str, rescued.lost))}" if rescued.lost else ""
            detail = f"{detail}; rescued {len(rescued.chunks)} inner chunks{lost}"
        return result, detail

    def _set_aside(self, action: Action, replacement: Replacement | None) -> tuple[Result, str]:
        target = quarantine_key(action.path, action.key, self.stamp)
        if set_aside(self.store, action.key, target, action.fingerprint, replacement):
            return "done", f"moved to {join(action.path, QUARANTINE)}/{self.stamp}"
        return "skipped", "the value has changed since the check"

    # -- the stored array ------------------------------------------------------------------

    def _source(self, path: str) -> ChunkSource | None:
        meta = hierarchy.find(Location(self.store, path))
        return open_source(self.store, path, meta) if isinstance(meta, ArrayMetadata) else None


def _check_names(action: Action) -> None:
    """Raise InvalidKeyError if a key leads out of the store: a plan comes from a file and is not trusted."""
    normalize_path(action.path)
    parent, _, name = action.key.rpartition("/")
    check_prefix(parent)
    if not is_reserved(name) or "\0" in name:
        check_key(action.key)
