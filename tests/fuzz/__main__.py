"""Fuzz exzarr: ``python -m tests.fuzz [TARGET ...] --seconds 60``.

With atheris (``pip install atheris``), coverage guides the inputs. Without it, seeds are mutated at random. An input
that fails is written to ``tests/corpus/TARGET/`` and becomes a test.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.fuzz.limits import limit_memory, limited_time

CORPUS = Path(__file__).parents[1] / "corpus"
NAMES = ("zarr_json", "zarray", "zmetadata", "plan", "chunk", "shard", "zip")
ATHERIS = importlib.util.find_spec("atheris") is not None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--seconds", type=float, default=60.0, help="total time for all targets")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    unknown = set(options.targets) - set(NAMES)
    if unknown:
        parser.error(f"unknown targets: {', '.join(sorted(unknown))}")
    targets = options.targets or [*NAMES]
    seed = random.SystemRandom().randrange(2**31) if options.seed is None else options.seed
    if options.inside:
        return fuzz(targets[0], options.seconds, seed)
    failed = []
    for target in targets:
        # Each target has its own process, so that a crash does not end the others.
        command = [sys.executable, "-m", "tests.fuzz", target, "--inside"]
        command += ["--seconds", str(options.seconds / len(targets)), "--seed", str(seed)]
        if subprocess.run(command, check=False).returncode:
            failed.append(target)
    print(f"failed: {', '.join(failed)}" if failed else "no failures found")
    return bool(failed)


def fuzz(target: str, seconds: float, seed: int) -> int:
    """Fuzz one target in this process."""
    if ATHERIS:
        atheris: Any = importlib.import_module("atheris")
        with atheris.instrument_imports(include=["exzarr"]):
            targets: Any = importlib.import_module("tests.fuzz.targets")
            seeds = targets.SEEDS[target]()
            for data in seeds:
                targets.TARGETS[target](data)  # imports all modules
    else:
        targets = importlib.import_module("tests.fuzz.targets")
        seeds = targets.SEEDS[target]()
    try_one = partial(attempt, target, targets.TARGETS[target])
    limit_memory()
    if ATHERIS:
        return _with_atheris(try_one, seeds, seconds, seed)
    return _at_random(target, try_one, seeds, seconds, seed)


def attempt(target: str, run: Callable[[bytes], None], data: bytes) -> bool:
    """Return True if the target handles `data`; otherwise write the input to the corpus."""
    try:
        with limited_time():
            run(data)
    except BaseException:
        if isinstance(sys.exc_info()[1], KeyboardInterrupt):
            raise
        name = hashlib.sha256(data).hexdigest()[:16]
        (CORPUS / target).mkdir(parents=True, exist_ok=True)
        (CORPUS / target / name).write_bytes(data)
        print(f"tests/corpus/{target}/{name} fails:", file=sys.stderr)
        traceback.print_exc()
        return False
    return True


def _at_random(
    target: str, try_one: Callable[[bytes], bool], seeds: list[bytes], seconds: float, seed: int
) -> int:
    rng = random.Random(seed)
    end = time.monotonic() + seconds
    tried = failed = 0
    while time.monotonic() < end and failed < 5:
        failed += not try_one(mutated(rng, seeds))
        tried += 1
    print(f"{target}: {tried} random inputs (seed {seed}), {failed} failures")
    return bool(failed)


def mutated(rng: random.Random, seeds: list[bytes]) -> bytes:
    """Return one of the seeds with a few changes."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.randint(1, 8))
        match rng.randrange(6):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at:end] = rng.randbytes(end - at)
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = rng.choice(
                    [b"0", b"9" * 19, b"-1", b"null", b"[]", b"\xff" * 8, bytes(8), b'"']
                )
            case 4:
                other = rng.choice(seeds)
                begin = rng.randrange(len(other) + 1)
                data[at:end] = other[begin : begin + rng.randint(1, 40)]
            case _:
                del data[at:]
    return bytes(data)


def _with_atheris(try_one: Callable[[bytes], bool], seeds: list[bytes], seconds: float, seed: int) -> int:
    atheris: Any = importlib.import_module("atheris")

    failed = 0

    def one(data: bytes) -> None:
        nonlocal failed
        failed += not try_one(data)
        if failed >= 5:
            raise SystemExit(1)

    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(seeds):
            (Path(folder) / str(number)).write_bytes(data)
        flags = [
            f"-max_total_time={int(seconds)}",
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
            return int(end.code or 0) or bool(failed)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
