"""Command `python -m benchmarks.loaders`: shuffled epochs of arrays with one sample in each chunk.

Planning by chunk cannot save reads there, so this is the least favourable case for `exzarr.batches`. The loaders take
turns. Each prints the median time of an epoch, and that time divided by exzarr's. A loader that is not installed is
named.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import statistics
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import exzarr
from benchmarks.batches import SIZE, check_samples
from benchmarks.data import AnyArray
from benchmarks.peers import NotSupportedError

Loader = Callable[[int], Iterator[AnyArray]]
"""Function from an epoch to its batches."""

SAMPLES = 2048
CASES = {
    "images of 64 x 64 float32, blosc": ((64, 64), "blosc"),
    "images of 64 x 64 float32, raw": ((64, 64), None),
    "rows of 256 float32, zstd": ((256,), "zstd"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loaders", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, (shape, compressors) in CASES.items():
        with tempfile.TemporaryDirectory(prefix="exzarr-bench-") as folder:
            data = np.random.default_rng(0).integers(0, 100, (SAMPLES, *shape)).astype("f4")
            group = exzarr.create_group(Path(folder) / "a.zarr")
            names = ("sample", "y", "x")[: data.ndim]
            group.create_array(
                "x", data=data, chunks=(1, *shape), compressors=compressors, dimension_names=names
            )
            compare(name, Path(folder) / "a.zarr" / "x", data, options.rounds)


def compare(name: str, path: Path, data: AnyArray, rounds: int) -> None:
    """Print the times of all loaders for one array."""
    print(f"{name}: {SAMPLES} samples, one in each chunk, in batches of {SIZE}")
    loaders: dict[str, Loader] = {}
    for label, make in MAKERS.items():
        try:
            loaders[label] = make(path)
        except ImportError as error:
            print(f"  {label:30} not installed ({error.name})")
            continue
        except NotSupportedError as error:
            print(f"  {label:30} {error}")
            continue
        check_samples(np.concatenate([*loaders[label](0)]), data)
    times: dict[str, list[float]] = {label: [] for label in loaders}
    for epoch in range(1, rounds + 1):
        for label, loader in loaders.items():
            gc.collect()
            began = perf_counter()
            for _batch in loader(epoch):
                pass
            times[label].append(perf_counter() - began)
    ours = statistics.median(times["exzarr"])
    for label, some in times.items():
        median = statistics.median(some)
        print(f"  {label:30} {1000 * median:8.1f} ms  {median / ours:6.2f}", flush=True)


def exzarr_loader(path: Path) -> Loader:
    array = exzarr.open_array(path, mode="r")
    return lambda epoch: iter(exzarr.batches(array, SIZE, shuffle="full", epoch=epoch))


def tensorstore_loader(path: Path) -> Loader:
    """All samples of a batch are in flight."""
    import tensorstore

    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    array = tensorstore.open(spec).result()

    def batches(epoch: int) -> Iterator[AnyArray]:
        for some in orders(epoch):
            yield np.stack([future.result() for future in [array[i].read() for i in some]])

    return batches


def zarr_loader(path: Path) -> Loader:
    """Each batch is one orthogonal selection."""
    import zarr

    array: Any = zarr.open_array(path, mode="r")

    def batches(epoch: int) -> Iterator[AnyArray]:
        for some in orders(epoch):
            yield array.oindex[np.array(some)]

    return batches


def insitubatch_loader(path: Path) -> Loader:
    """Chunks are shuffled within windows of a batch. Each epoch has a new data set, because one keeps the chunks."""
    import insitubatch

    store = insitubatch.obstore_store(path.parent.as_uri())
    geometries = insitubatch.open_geometries(store, variables=[path.name])
    manifest = insitubatch.split_by_chunk(geometries[path.name], fractions=(1.0, 0.0, 0.0), contiguous=False)

    def batches(epoch: int) -> Iterator[AnyArray]:
        dataset = insitubatch.InSituDataset(
            store, manifest, geometries=geometries, batch_size=SIZE, block_chunks=SIZE
        )
        dataset.set_epoch(epoch)
        for batch in dataset.train:
            yield batch.arrays[path.name].copy()

    return batches


def annbatch_loader(path: Path) -> Loader:
    """Single samples are shuffled, and those of a batch are loaded together."""
    import annbatch
    import zarr

    array: Any = zarr.open_array(path, mode="r")
    if array.ndim != 2:
        raise NotSupportedError("reads matrices only")

    def batches(epoch: int) -> Iterator[AnyArray]:
        loader = annbatch.Loader(
            batch_size=SIZE,
            chunk_size=1,
            preload_nchunks=SIZE,
            shuffle=True,
            preload_to_gpu=False,
            rng=np.random.default_rng(epoch),
        )
        for batch in loader.add_dataset(array):
            yield np.asarray(batch["X"])

    return batches


def orders(epoch: int) -> Iterator[list[int]]:
    """Yield the samples of each batch."""
    order = np.random.default_rng(epoch).permutation(SAMPLES).tolist()
    for start in itertools.count(0, SIZE):
        if start >= SAMPLES:
            return
        yield order[start : start + SIZE]


MAKERS: dict[str, Callable[[Path], Loader]] = {
    "exzarr": exzarr_loader,
    "TensorStore, batch in flight": tensorstore_loader,
    "insitubatch": insitubatch_loader,
    "annbatch": annbatch_loader,
    "zarr-python, oindex": zarr_loader,
}


if __name__ == "__main__":
    main()
