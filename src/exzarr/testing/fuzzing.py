"""A fuzzer: inputs that change at random, or by coverage where atheris is installed.

A `Target` is a function of bytes that raises nothing but what it allows, with valid inputs to start from. An input that
fails is written to a folder, from which it can become a test.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from exzarr.testing.limits import LIMITS, MEMORY, limit_memory, limited_time

__all__ = ["ATHERIS", "Target", "fuzz", "mutated"]

ATHERIS = importlib.util.find_spec("atheris") is not None
"""True if atheris is installed: coverage then guides the inputs."""

MOST_FAILURES = 5
"""The fuzzer ends after so many."""

_SPLICES = (b"0", b"9" * 19, b"-1", b"null", b"[]", b"\xff" * 8, bytes(8), b'"')


@dataclass(frozen=True)
class Target:
    """What is fuzzed.

    Attributes
    ----------
    name
        Its name in reports.
    run
        The function. Every exception is a failure.
    seeds
        Valid inputs.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: Sequence[bytes]


def fuzz(
    make: Callable[[], Target],
    *,
    seconds: float,
    seed: int,
    corpus: Path,
    instrument: Sequence[str] = ("exzarr",),
    memory: int | None = None,
) -> bool:
    """Fuzz a target in this process. Return True if no input failed.

    Parameters
    ----------
    make
        Makes the target. It imports what is fuzzed, so that atheris can instrument it.
    seconds
        How long.
    seed
        Seed of the random numbers.
    corpus
        Folder for inputs that fail.
    instrument
        Packages whose coverage guides atheris, as far as they are not imported yet.
    memory
        Bytes that the target may allocate; None for the default.
    """
    if ATHERIS:
        atheris: Any = importlib.import_module("atheris")
        with atheris.instrument_imports(include=[*instrument]):
            target = make()
            for data in target.seeds:
                target.run(data)  # imports all modules
    else:
        target = make()
    if LIMITS:
        limit_memory(MEMORY if memory is None else memory)
    run = _by_coverage if ATHERIS else _at_random
    return run(target, partial(_attempt, target, corpus), seconds, seed)


def _attempt(target: Target, corpus: Path, data: bytes) -> bool:
    """Return True if the target handles `data`; otherwise write the input to the corpus."""
    try:
        with limited_time():
            target.run(data)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - any is a failure
        path = corpus / target.name / hashlib.sha256(data).hexdigest()[:16]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        print(f"{path} fails:", file=sys.stderr)
        traceback.print_exc()
        return False
    return True


def _at_random(target: Target, try_one: Callable[[bytes], bool], seconds: float, seed: int) -> bool:
    rng = random.Random(seed)  # noqa: S311 - no secret
    end = time.monotonic() + seconds
    tried = failed = 0
    while time.monotonic() < end and failed < MOST_FAILURES:
        failed += not try_one(mutated(rng, target.seeds))
        tried += 1
    print(f"{target.name}: {tried} random inputs (seed {seed}), {failed} failures")
    return not failed


def mutated(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Return one of the seeds with a few changes."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 4)):
        # Half of the changes are at the front, where formats keep sizes.
        at = rng.randrange(1 + (len(data) if rng.random() < 0.5 else min(len(data), 32)))
        end = min(len(data), at + rng.randint(1, 8))
        match rng.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at:end] = rng.randbytes(end - at)
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = rng.choice(_SPLICES)
            case 4:
                other = rng.choice(seeds)
                begin = rng.randrange(len(other) + 1)
                data[at:end] = other[begin : begin + rng.randint(1, 40)]
            case _:
                del data[at:]
    return bytes(data)


def _by_coverage(target: Target, try_one: Callable[[bytes], bool], seconds: float, seed: int) -> bool:
    atheris: Any = importlib.import_module("atheris")
    failed = 0

    def one(data: bytes) -> None:
        nonlocal failed
        failed += not try_one(data)
        if failed >= MOST_FAILURES:
            raise SystemExit(1)

    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(target.seeds):
            (Path(folder) / str(number)).write_bytes(data)
        flags = [
            f"-max_total_time={max(1, int(seconds))}",
            f"-seed={seed or 1}",
            f"-artifact_prefix={folder}/",
            "-max_len=8192",
            "-rss_limit_mb=0",  # `limit_memory` sets the limit
            "-timeout=0",  # `limited_time` sets the limit
            "-verbosity=0",
        ]
        atheris.Setup([sys.argv[0], folder, *flags], one)
        try:
            atheris.Fuzz()
        except SystemExit as end:
            return not (int(end.code or 0) or failed)
    return not failed
