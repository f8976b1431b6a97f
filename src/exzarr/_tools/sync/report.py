"""The result of `exzarr.sync`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from exzarr.telemetry.figures import RequestUse
from exzarr.telemetry.units import human_bytes

__all__ = ["Action", "NodeSync", "Requests", "SyncReport"]

Action = Literal["created", "changed", "replaced", "equal"]
Requests = Mapping[tuple[str, str], RequestUse]
"""Requests by URL of the store and kind of request, as in the report of `exzarr.profile`."""

MOST_SHOWN = 20
"""Maximum number of names of a kind that the text of a report shows."""


@dataclass(frozen=True, slots=True)
class NodeSync:
    """What was done to one node of the target.

    Attributes
    ----------
    path
        Path relative to the top node; ``""`` is the top node.
    kind
        ``"array"`` or ``"group"``, in the source.
    action
        ``"created"``; ``"changed"`` in place; ``"replaced"`` as a whole, with all nodes below it, since its kind, its
        format or the encoding of its chunks differs; or ``"equal"``.
    metadata
        Members of the metadata document that differed: ``"attributes"``, ``"shape"``, ...
    chunks_created, chunks_changed, chunks_equal
        Number of stored chunks (shards, if the array has shards). In a dry run without reading, equal chunks are those
        that the listings prove to be equal.
    chunks_removed
        Number of stored chunks that the source does not store: it has the fill value there, or has become shorter.
    chunks_undecided
        Only in a dry run: the number of chunks that have the same size in both, and whose content must be compared.
    bytes_written
        Bytes of the chunks that were stored, or (in a dry run) that are known to be stored.
    """

    path: str
    kind: Literal["array", "group"]
    action: Action
    metadata: tuple[str, ...] = ()
    chunks_created: int = 0
    chunks_changed: int = 0
    chunks_equal: int = 0
    chunks_removed: int = 0
    chunks_undecided: int = 0
    bytes_written: int = 0

    def __str__(self) -> str:
        parts = [", ".join(self.metadata)] if self.metadata and self.action == "changed" else []
        for number, what in (
            (self.chunks_created, "new"),
            (self.chunks_changed, "changed"),
            (self.chunks_removed, "removed"),
            (self.chunks_undecided, "to compare"),
        ):
            if number:
                parts.append(f"{number:,} {'chunk' if number == 1 else 'chunks'} {what}")
        return f"{self.action} /{self.path}" + (f": {'; '.join(parts)}" if parts else "")


@dataclass(frozen=True)
class SyncReport:
    """The result of `exzarr.sync`. Print it to see a summary.

    Attributes
    ----------
    source, target
        Locations of the two top nodes.
    dry_run
        True if nothing was changed. The other attributes then say what would be done.
    nodes
        The nodes of the source, parents first, with what was done to each in the target.
    deleted
        Paths of the nodes, and keys of unused values, that only the target had and that were deleted.
    extra
        The same, if they were not deleted, since ``delete=False``.
    source_changed
        Arrays and chunks of the source that changed during the sync. Sync again.
    left_out
        Nodes that were left out because of ``on_error="skip"``, with the reasons.
    notes
        Other restrictions.
    requests
        Requests that were sent, and their bytes. `exzarr.cost.of` prices them.
    planned
        Only in a dry run: the requests that a sync would send at most for chunks and documents, in addition to those that
        the dry run has sent to compare.
    seconds
        Duration.
    """

    source: str
    target: str
    dry_run: bool
    nodes: tuple[NodeSync, ...]
    deleted: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    source_changed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    requests: Requests = field(default_factory=dict)
    planned: Requests = field(default_factory=dict)
    seconds: float = 0.0

    def paths(self, action: Action) -> tuple[str, ...]:
        """Return the paths of the nodes with this action."""
        return tuple([node.path for node in self.nodes if node.action == action])

    @property
    def created(self) -> tuple[str, ...]:
        """Paths of the nodes that only the source had."""
        return self.paths("created")

    @property
    def changed(self) -> tuple[str, ...]:
        """Paths of the nodes that were changed in place."""
        return self.paths("changed")

    @property
    def replaced(self) -> tuple[str, ...]:
        """Paths of the nodes that were replaced as a whole."""
        return self.paths("replaced")

    @property
    def equal(self) -> tuple[str, ...]:
        """Paths of the nodes that were equal already."""
        return self.paths("equal")

    @property
    def complete(self) -> bool:
        """True if the target equals the source now, apart from `extra`; in a dry run, if a sync would achieve that."""
        return not (self.source_changed or self.left_out)

    @property
    def bytes_written(self) -> int:
        """Bytes of the chunks that were stored."""
        return sum(node.bytes_written for node in self.nodes)

    def asdict(self) -> dict[str, Any]:
        """Return the report as dicts, lists, strings and numbers."""
        found = {
            name: [*getattr(self, name)]
            for name in ("deleted", "extra", "source_changed", "left_out", "notes")
        }
        return {
            "source": self.source,
            "target": self.target,
            "dry_run": self.dry_run,
            "complete": self.complete,
            "nodes": [
                {**asdict(node), "path": "/" + node.path, "metadata": [*node.metadata]} for node in self.nodes
            ],
            **found,
            "bytes_written": self.bytes_written,
            "requests": _as_list(self.requests),
            "planned": _as_list(self.planned),
            "seconds": round(self.seconds, 6),
        }

    def __str__(self) -> str:
        facts = [f"{name:<9} {text}" for name, text in self._facts()]
        return "\n".join([self._title(), *[f"  {line}" for line in (*facts, *self._names())]])

    def _repr_html_(self) -> str:
        from exzarr._html.fragments import facts, framed, heading, items

        return framed(heading(self._title()), facts(self._facts()), items(self._names()))

    def _title(self) -> str:
        verb = "would sync" if self.dry_run else "synced"
        return f"{verb} {self.source} to {self.target} in {self.seconds:.3g} s"

    def _facts(self) -> list[tuple[str, str]]:
        actions = [(len(self.paths(a)), a) for a in ("created", "changed", "replaced", "equal")]
        requests = [(use.requests, kind) for kind, use in _by_kind(self.requests).items()]
        planned = [("to send", self._planned())] if self.dry_run else []
        return [
            ("nodes", _counts(actions)),
            ("chunks", self._chunks()),
            ("requests", _counts(requests)),
            *planned,
        ]

    def _names(self) -> list[str]:
        changes = [str(node) for node in self.nodes if node.action != "equal"]
        return [
            *_shown("", changes),
            *_shown(
                "deleted " if not self.dry_run else "would delete ", ["/" + path for path in self.deleted]
            ),
            *_shown("only in the target: ", ["/" + path for path in self.extra]),
            *_shown("changed in the source meanwhile: ", self.source_changed),
            *_shown("left out: ", self.left_out),
            *_shown("note: ", self.notes),
        ]

    def _chunks(self) -> str:
        names = ("created", "changed", "removed", "equal", "undecided")
        numbers = [(sum(getattr(node, f"chunks_{name}") for node in self.nodes), name) for name in names]
        return f"{_counts(numbers)}; {human_bytes(self.bytes_written)} {'to write' if self.dry_run else 'written'}"

    def _planned(self) -> str:
        kinds = _by_kind(self.planned)
        if not kinds:
            return "nothing"
        moved = {
            "read": sum(use.bytes for kind, use in kinds.items() if kind != "put"),
            "written": sum(use.bytes for kind, use in kinds.items() if kind == "put"),
        }
        amounts = ", ".join(f"{human_bytes(n)} {what}" for what, n in moved.items() if n)
        return f"at most {_counts([(use.requests, kind) for kind, use in kinds.items()])}; {amounts or 'no bytes'}"


def _by_kind(requests: Requests) -> dict[str, RequestUse]:
    """Return the requests to all stores, by kind."""
    found: dict[str, RequestUse] = {}
    for (_, kind), use in requests.items():
        total = found.setdefault(kind, RequestUse())
        total.requests += use.requests
        total.bytes += use.bytes
    return found


def _as_list(requests: Requests) -> list[dict[str, Any]]:
    return [
        {"store": store, "kind": kind, "requests": use.requests, "bytes": use.bytes}
        for (store, kind), use in requests.items()
    ]


def _counts(numbers: Sequence[tuple[int, str]]) -> str:
    return ", ".join(f"{n:,} {what}" for n, what in numbers if n) or "none"


def _shown(head: str, names: Sequence[str]) -> list[str]:
    shown = [f"{head}{name}" for name in names[:MOST_SHOWN]]
    return shown if len(names) <= MOST_SHOWN else [*shown, f"{head}... and {len(names) - MOST_SHOWN:,} more"]
