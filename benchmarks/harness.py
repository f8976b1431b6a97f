"""Measurement of cells. Contestants take turns, so that noise affects all of them equally."""

from __future__ import annotations

import gc
import itertools
import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Any

from benchmarks.peers import BASELINE, NotSupportedError, Peer

# A sample of a faster call is the mean of as many calls as fit into this time.
SAMPLE_SECONDS = 0.004


@dataclass(frozen=True)
class Contest:
    """The work of one contestant in one cell.

    Attributes
    ----------
    check
        Called once before the measurement. Raises if a result is wrong, and serves as warm-up.
    run
        The timed function. It receives the result of `prepare`.
    prepare
        Called before each sample, and not timed.
    repeatable
        Whether a sample may call `run` several times with one result of `prepare`.
    """

    check: Callable[[], None]
    run: Callable[[Any], Any]
    prepare: Callable[[], Any] = lambda: None
    repeatable: bool = True


@dataclass(frozen=True)
class Cell:
    """One row of a table. `contest` returns the contest of a peer; `floor` that of the lower bound."""

    group: str
    name: str
    contest: Callable[[Peer], Contest]
    floor: Callable[[], Contest] | None = None


@dataclass
class Result:
    """Seconds per sample of each successful contestant, by the wall clock and of all cores, and problems of others."""

    group: str
    name: str
    times: dict[str, list[float]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    unsupported: set[str] = field(default_factory=set)
    cpu: dict[str, list[float]] = field(default_factory=dict, compare=False)

    def median(self, label: str) -> float | None:
        times = self.times.get(label)
        return statistics.median(times) if times else None

    def ratio(self, label: str, base: str = BASELINE, *, cpu: bool = False) -> float | None:
        """Return the contestant's time ÷ that of `base`, by the wall clock or of all cores. Above 1, `base` is faster."""
        clock = self.cpu if cpu else self.times
        theirs, ours = clock.get(label), clock.get(base)
        return statistics.median(theirs) / statistics.median(ours) if theirs and ours else None


@dataclass(frozen=True)
class Rounds:
    """Number of samples per contestant: as many as fit into `seconds`, from `least` to `most`."""

    least: int
    most: int
    seconds: float

    def fitting(self, one: float) -> int:
        return max(self.least, min(self.most, int(self.seconds / one) if one else self.most))


@dataclass
class _Entrant:
    label: str
    contest: Contest
    settings: Callable[[], AbstractContextManager[object]]
    loops: int = 1


def measure(cell: Cell, peers: Sequence[Peer], rounds: Rounds, floor_label: str) -> Result:
    """Measure all contestants of a cell in turns. A contestant that fails is excluded; the others continue."""
    result = Result(cell.group, cell.name)
    entrants: list[_Entrant] = []
    round_seconds = 0.0

    def admit(label: str, contest: Callable[[], Contest], settings: Callable[[], Any]) -> None:
        nonlocal round_seconds
        try:
            with settings():
                entrant = _Entrant(label, contest(), settings)
                entrant.contest.check()
                gc.collect()
                once, cpu = _sample(entrant)
                if entrant.contest.repeatable and once < SAMPLE_SECONDS:
                    entrant.loops = min(1000, round(SAMPLE_SECONDS / min(once, _sample(entrant)[0])))
        except NotSupportedError:
            result.unsupported.add(label)
        except Exception as error:  # noqa: BLE001 - any exception of a peer is a result
            result.problems[label] = describe(error)
        else:
            round_seconds += once * entrant.loops
            entrants.append(entrant)
            if entrant.loops == 1:
                result.times[label], result.cpu[label] = [once], [cpu]  # its first sample

    # Exclude the libraries' long-lived objects from later garbage collections, which otherwise take most of the time.
    gc.collect()
    gc.freeze()
    try:
        for peer in peers:
            admit(peer.label, lambda peer=peer: cell.contest(peer), peer.settings)  # type: ignore[misc]
        if cell.floor is not None:
            admit(floor_label, cell.floor, nullcontext)
        gc.collect()
        gc.freeze()
        _take_turns(entrants, rounds.fitting(round_seconds) - 1, result)
    finally:
        gc.unfreeze()
    return result


def _take_turns(entrants: list[_Entrant], rounds: int, result: Result) -> None:
    for turn in range(1, rounds + 1):
        # A different contestant starts each round, so that none always follows the same one.
        start = turn % max(len(entrants), 1)
        for entrant in entrants[start:] + entrants[:start]:
            if entrant.label in result.problems:
                continue
            try:
                with entrant.settings():
                    seconds, cpu = _sample(entrant)
            except Exception as error:  # noqa: BLE001
                result.problems[entrant.label] = describe(error)
                result.times.pop(entrant.label, None)
                result.cpu.pop(entrant.label, None)
            else:
                result.times.setdefault(entrant.label, []).append(seconds)
                result.cpu.setdefault(entrant.label, []).append(cpu)


def _sample(entrant: _Entrant) -> tuple[float, float]:
    """Return the seconds of one call: by the wall clock, and of all cores."""
    contest, loops = entrant.contest, entrant.loops
    prepared = contest.prepare()
    run = contest.run
    gc.collect()
    gc.disable()
    try:
        if loops == 1:
            start, start_cpu = perf_counter(), process_time()
            kept = run(prepared)  # freed after the time is taken
            seconds, cpu = perf_counter() - start, process_time() - start_cpu
            del kept
            return seconds, cpu
        start, start_cpu = perf_counter(), process_time()
        for _ in itertools.repeat(None, loops):
            run(prepared)
        return (perf_counter() - start) / loops, (process_time() - start_cpu) / loops
    finally:
        gc.enable()


def describe(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
