"""Reports as text and as HTML."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from exzarr._html import fragments
from exzarr._html.fragments import framed, heading, items
from exzarr.telemetry.events import ChunkRead, ChunkWritten, IngestProgress
from exzarr.telemetry.figures import READ_PHASES, WRITE_PHASES, ArrayUse, total
from exzarr.telemetry.report import Report
from exzarr.telemetry.units import human_bytes, human_seconds, human_speed

__all__ = ["Table", "html", "html_of", "page", "phases_table", "summary", "tables", "text", "text_of"]

MOST = 12
"""Most arrays that are shown individually."""

BAR = 24
"""Length of the longest bar, in characters."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header. Columns whose numbers are in `words` hold text, the others figures."""

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    words: frozenset[int] = frozenset({0})


def text(report: Report) -> str:
    """Return a report for a terminal."""
    parts = [summary(report), *map(text_of, tables(report))]
    return "\n\n".join(parts)


def html(report: Report) -> str:
    """Return a report for a notebook."""
    return page(summary(report), tables(report))


def summary(report: Report) -> str:
    """Return a report in one line."""
    parts = [f"profile of {human_seconds(report.seconds)}"]
    read, written = report.total("read"), report.total("write")
    for use, verb in ((read, "read"), (written, "written")):
        if use.selections or use.chunks:
            parts.append(
                f"{human_bytes(use.bytes_wanted)} {verb} in {human_seconds(use.seconds)} "
                f"({human_speed(use.bytes_wanted, use.seconds)})"
            )
    requests = sum(use.requests for use in report.requests.values())
    parts.append(f"{requests:,} requests" if requests != 1 else "1 request")
    if len(report.threads) > 1:
        parts.append(f"{len(report.threads)} threads")
    if report.retries:
        parts.append(f"{report.retries:,} retries")
    return ", ".join(parts)


def tables(report: Report) -> Iterator[Table]:
    """Yield the tables of a report that have rows."""
    yield from phases_table(report)
    yield from _arrays(report)
    yield from _requests(report)
    yield from _slowest(report)
    yield from _others(report)


def phases_table(report: Report) -> Iterator[Table]:
    """Yield the table of thread time by phase."""
    rows: list[tuple[str, ...]] = []
    for what, phases in report.phases.items():
        total = sum(phases.values())
        if not total:
            continue
        for number, (phase, seconds) in enumerate(phases.items()):
            share = seconds / total
            bar = "▇" * round(BAR * share)
            rows.append((what if not number else "", phase, human_seconds(seconds), f"{share:.0%}", bar))
    if rows:
        yield Table(("thread time", "phase", "time", "share", ""), rows, frozenset({0, 1, 4}))


def _arrays(report: Report) -> Iterator[Table]:
    rows: list[tuple[str, ...]] = []
    names = _names(report)
    for verb, uses in (("read", report.read), ("write", report.written)):
        # The slowest first. Sum up the rest if there are many.
        ordered = sorted(uses.items(), key=lambda item: -item[1].seconds)
        shown = ordered if len(ordered) <= MOST else ordered[: MOST - 1]
        rows += [(verb, _place(names, *place), *_array_row(use)) for place, use in shown]
        if len(shown) < len(ordered):
            others = total([use for _, use in ordered[len(shown) :]])
            rows.append((verb, f"{len(ordered) - len(shown):,} other arrays", *_array_row(others)))
    if rows:
        header = (
            "arrays",
            "",
            "calls",
            "chunks",
            "absent",
            "stored",
            "in memory",
            "selected",
            "amplification",
            "speed",
        )
        yield Table(header, rows, frozenset({0, 1}))


def _array_row(use: ArrayUse) -> tuple[str, ...]:
    return (
        f"{use.selections:,}",
        f"{use.chunks:,}",
        f"{use.absent:,}",
        human_bytes(use.bytes_stored),
        human_bytes(use.bytes_decoded),
        human_bytes(use.bytes_wanted),
        _factor(use.amplification) if use.bytes_wanted else "–",
        human_speed(use.bytes_wanted, use.seconds),
    )


def _factor(times: float) -> str:
    return f"{times:.3g}" if times < 1000 else f"{times:,.0f}"


def _requests(report: Report) -> Iterator[Table]:
    rows: list[tuple[str, ...]] = []
    names, before = _names(report), ""
    for (store, kind), use in sorted(report.requests.items()):
        missing = f"{use.missing:,}" + (f" ({use.failed:,} failed)" if use.failed else "")
        mean = use.seconds / use.requests
        speed = human_speed(use.bytes, use.seconds) if use.bytes else "–"
        figures = (f"{use.requests:,}", missing, human_bytes(use.bytes), human_seconds(use.seconds))
        name = names[store] if store != before else ""
        rows.append((name, kind, *figures, human_seconds(mean), speed))
        before = store
    if rows:
        header = ("requests", "", "number", "not found", "bytes", "time", "mean", "speed")
        yield Table(header, rows, frozenset({0, 1}))


def _slowest(report: Report) -> Iterator[Table]:
    names = _names(report)
    rows = [_slow_row(event, names) for event in report.slowest[:5]]
    if rows:
        yield Table(("slowest chunks", "", "index", "time", "breakdown"), rows, frozenset({0, 1, 2, 4}))


def _slow_row(event: ChunkRead | ChunkWritten, names: Mapping[str, str]) -> tuple[str, ...]:
    reading = isinstance(event, ChunkRead)
    parts = [(name, getattr(event, name)) for name in (READ_PHASES if reading else WRITE_PHASES)]
    breakdown = ", ".join(f"{name} {human_seconds(n)}" for name, n in parts if n >= 0.02 * event.seconds)
    verb = "read" if reading else "write"
    place = _place(names, event.store, event.array)
    return verb, place, str(event.index), human_seconds(event.seconds), breakdown


def _others(report: Report) -> Iterator[Table]:
    if report.caches:
        rows = [(name, f"{use.hits:,}", human_bytes(use.bytes)) for name, use in report.caches.items()]
        yield Table(("caches", "hits", "bytes saved"), rows)
    if report.streams:
        progress: list[tuple[str, ...]] = []
        for event in report.streams.values():
            if isinstance(event, IngestProgress):
                name, array = event.source, event.target
            else:
                name, array = event.stream, event.array
            total = "?" if event.total is None else f"{event.total:,}"
            figures = (f"{event.done:,} of {total}", f"{event.failed:,}", f"{event.skipped:,}")
            speed = human_speed(event.bytes, event.seconds)
            progress.append((name, array or "/", *figures, human_bytes(event.bytes), speed))
        header = ("streams", "", "done", "failed", "skipped", "bytes", "speed")
        yield Table(header, progress, frozenset({0, 1}))


def _names(report: Report) -> dict[str, str]:
    """Return a display name for each store: the last part of its URL if it is unique, else the URL."""
    stores = {store for store, _ in (*report.read, *report.written, *report.requests)}
    stores |= {event.store for event in report.slowest}
    last = {store: unquote(store.rstrip("/").rpartition("/")[2]) or store for store in stores}
    often = Counter(last.values())
    return {
        store: name if often[name] == 1 and "/" in store.partition("://")[2] else store
        for store, name in last.items()
    }


def _place(names: Mapping[str, str], store: str, array: str) -> str:
    return f"{names[store].rstrip('/')}/{array}" if array else names[store]


def text_of(table: Table) -> str:
    """Return one table for a terminal."""
    widths = [max(map(len, column)) for column in zip(table.header, *table.rows, strict=True)]
    lines = []
    for row in (table.header, *table.rows):
        cells = [
            cell.ljust(width) if i in table.words else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def html_of(table: Table) -> str:
    """Return one table as HTML without a style."""
    return fragments.table(table.header, table.rows, table.words)


def page(title: str, tables: Iterable[Table], notes: Iterable[str] = ()) -> str:
    """Return a title, tables and notes for a notebook."""
    return framed(heading(title) if title else "", *map(html_of, tables), items(notes))
