"""Building a pyramid, compared with ngff-zarr and ome-zarr-py on dask: ``python -m benchmarks.pyramids``.

Each build runs in a process of its own, which reports its wall time, its processor time and its peak memory. The peers
take turns, and the figures are medians. All read the same array and write OME-Zarr 0.5 with the same factors.

ngff-zarr and ome-zarr are not in an extra; install them for this comparison.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

CHUNKS = (32, 128, 128)
LEVELS = 4
PEERS = {"exzarr": "exzarr", "ome-zarr": "ome_zarr", "ngff-zarr": "ngff_zarr"}


def make_source(path: Path, mebibytes: int) -> None:
    """Store a volume of smooth structures with noise, as microscopes record them."""
    import exzarr

    side = 128 * max(1, round((mebibytes / 4) ** 0.5))  # 128 × side × side elements of two bytes
    shape = (128, side, side)
    array = exzarr.create_array(path, shape=shape, dtype="u2", chunks=CHUNKS)
    rng = np.random.default_rng(0)
    y, x = np.meshgrid(*[np.linspace(0, 40, n, dtype="f4") for n in shape[1:]], indexing="ij")
    plane = 2000 + 1500 * np.sin(x) * np.cos(y)
    for z in range(0, shape[0], CHUNKS[0]):
        noise = rng.normal(0, 30, (CHUNKS[0], *shape[1:])).astype("f4")
        array[z : z + CHUNKS[0]] = (plane + noise).astype("u2")


def build_exzarr(source: str, target: str) -> None:
    import exzarr

    exzarr.multiscale.write(exzarr.open_array(source), target, axes="zyx", levels=LEVELS)


def build_ome_zarr(source: str, target: str) -> None:
    import dask.array as da
    import zarr
    from ome_zarr.format import FormatV05
    from ome_zarr.writer import write_image

    group = zarr.open_group(target, mode="w", zarr_format=3)
    factors: Any = [dict.fromkeys("zyx", 2**level) for level in range(1, LEVELS)]
    options: Any = {"chunks": CHUNKS}
    write_image(
        da.from_zarr(source),
        group,
        axes="zyx",
        fmt=FormatV05(),
        scale_factors=factors,
        storage_options=options,
    )


def build_ngff_zarr(source: str, target: str) -> None:
    import dask.array as da
    import ngff_zarr

    image = ngff_zarr.to_ngff_image(da.from_zarr(source), dims=("z", "y", "x"))
    method = ngff_zarr.Methods.ITKWASM_BIN_SHRINK
    factors = [2**level for level in range(1, LEVELS)]
    chunks = dict(zip("zyx", CHUNKS, strict=True))
    ngff_zarr.to_ome_zarr(
        target,
        ngff_zarr.to_multiscales(image, scale_factors=factors, chunks=chunks, method=method),
        version="0.5",
    )


BUILDS = {"exzarr": build_exzarr, "ome-zarr": build_ome_zarr, "ngff-zarr": build_ngff_zarr}


def run_one(peer: str, source: str, target: str) -> dict[str, float]:
    """Build once in this process."""
    started = time.perf_counter()
    BUILDS[peer](source, target)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": time.perf_counter() - started,
        "cpu": usage.ru_utime + usage.ru_stime,
        "mebibytes": peak_memory(),
    }


def peak_memory() -> float:
    """Return the peak memory of this process in MiB. (`ru_maxrss` includes that of the parent before the fork.)"""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return math.nan


def measure(peer: str, source: Path, folder: Path, timeout: float) -> dict[str, float] | None:
    """Build once in a new process; None if that takes too long."""
    target = folder / "target.zarr"
    shutil.rmtree(target, ignore_errors=True)
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "benchmarks.pyramids",
        "--one",
        peer,
        str(source),
        str(target),
    ]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return None
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    stored = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    return {**found, "stored": stored / 2**20}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1024, metavar="MIB", help="size of the array")
    parser.add_argument("--quick", action="store_true", help="64 MiB, and one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=600, metavar="SECONDS")
    parser.add_argument("--one", nargs=3, metavar=("PEER", "SOURCE", "TARGET"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run_one(*options.one)))
        return
    size, rounds = (64, 1) if options.quick else (options.size, options.rounds)
    peers = [peer for peer, module in PEERS.items() if find_spec(module) is not None]
    results: dict[str, list[dict[str, float]]] = {peer: [] for peer in peers}
    with tempfile.TemporaryDirectory(prefix="exzarr-pyramids-") as name:
        source = Path(name) / "source.zarr"
        make_source(source, size)
        for _ in range(rounds):
            for peer in peers:
                found = measure(peer, source, Path(name), options.timeout)
                print(f"{peer}: {found}", file=sys.stderr, flush=True)
                results[peer].append(
                    found or dict.fromkeys(("seconds", "cpu", "mebibytes", "stored"), math.nan)
                )
    report(results)


def report(results: dict[str, list[dict[str, float]]]) -> None:
    medians = {
        peer: {name: statistics.median([run[name] for run in runs]) for name in runs[0]}
        for peer, runs in results.items()
    }
    ours = medians["exzarr"]
    print(
        f"{'':10} {'wall':>9} {'CPU':>9} {'peak':>10} {'stored':>10}   relative to exzarr: wall, CPU, memory"
    )
    for peer, found in medians.items():
        ratios = ", ".join([f"{found[name] / ours[name]:.1f}" for name in ("seconds", "cpu", "mebibytes")])
        print(
            f"{peer:10} {found['seconds']:7.1f} s {found['cpu']:7.1f} s {found['mebibytes']:6.0f} MiB "
            f"{found['stored']:6.0f} MiB   {ratios}"
        )


if __name__ == "__main__":
    main()
