"""Random items of a ragged array, compared with zarr-python and with row groups of Parquet.

``python -m benchmarks.ragged`` writes 20,000 documents of about 500 tokens (uint16, 20 MB) from a seed, once as a ragged
array in its default layout (chunks of 8 KiB in shards), and once as a Parquet file with row groups of 8 documents, which
are about as large as the chunks. It reads 256 random documents:

* exzarr: ``r[numbers]``
* zarr-python: a loop over ``values[start:stop]`` of the same arrays, with the offsets in memory
* pyarrow, one by one: the row group of each document
* pyarrow, together: each row group that is needed once, and then the documents (``take``)

The ways take turns, each time with other documents. Compare the ratios of the medians: of the time, and of the CPU time,
which depends less on what else the machine does. All files are in the page cache.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zarr

import exzarr.ragged

SIZE = 256
GROUP = 8

Read = Callable[[np.ndarray], list[Any]]


def documents(count: int) -> exzarr.ragged.Items:
    """Return documents of words, whose frequencies fall as those of a language do."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(6, 0.7, count), 10, 8000).astype(np.int64)
    tokens = (rng.zipf(1.3, int(lengths.sum())) % 50_000).astype(np.uint16)
    return exzarr.ragged.Items({"values": tokens}, lengths)


def ways(folder: Path, items: exzarr.ragged.Items, codec: str | None) -> dict[str, Read]:
    """Store the documents, and return the ways to read some of them."""
    field = {"dtype": "u2", "compressors": codec}
    exzarr.ragged.create(folder / "r.zarr", fields={"values": field}, data=items)
    compression = "NONE" if codec is None else codec
    pq.write_table(items.to_arrow(), folder / "r.parquet", row_group_size=GROUP, compression=compression)
    r = exzarr.ragged.open(folder / "r.zarr", mode="r")
    values: Any = zarr.open_array(folder / "r.zarr" / "values", mode="r")
    offsets = items.offsets.tolist()
    file = pq.ParquetFile(folder / "r.parquet")

    def exzarr_items(numbers: np.ndarray) -> list[Any]:
        return [*r[numbers]]

    def zarr_loop(numbers: np.ndarray) -> list[Any]:
        return [values[offsets[i] : offsets[i + 1]] for i in numbers.tolist()]

    def parquet_loop(numbers: np.ndarray) -> list[Any]:
        return [
            file.read_row_group(i // GROUP)["values"][i % GROUP].values.to_numpy() for i in numbers.tolist()
        ]

    def parquet_together(numbers: np.ndarray) -> list[Any]:
        groups, place = np.unique(numbers // GROUP, return_inverse=True)
        table = file.read_row_groups(groups.tolist())
        found = table["values"].combine_chunks().take(pa.array(place * GROUP + numbers % GROUP))
        return [found[i].values.to_numpy() for i in range(len(numbers))]

    return {
        "exzarr, r[numbers]": exzarr_items,
        "zarr-python, one by one": zarr_loop,
        "pyarrow, one by one": parquet_loop,
        "pyarrow, together": parquet_together,
    }


def compare(folder: Path, items: exzarr.ragged.Items, codec: str | None, rounds: int) -> None:
    readers = ways(folder, items, codec)
    rng = np.random.default_rng(1)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in readers}
    for _ in range(rounds):
        for name, read in readers.items():
            numbers = rng.choice(len(items), SIZE, replace=False)
            start, cpu = perf_counter(), process_time()
            found = read(numbers)
            times[name].append((perf_counter() - start, process_time() - cpu))
            for i, item in zip(numbers.tolist(), found, strict=True):
                if not np.array_equal(item, items[slice(i, i + 1)].values):
                    raise AssertionError(f"{name}: document {i} is wrong")
    medians = {name: np.median(each, axis=0) for name, each in times.items()}
    first = next(iter(medians.values()))
    print(f"{codec or 'raw'}: {SIZE} of {len(items):,} documents")
    for name, (wall, cpu) in medians.items():
        ratios = f"{wall / first[0]:6.1f} x   CPU {cpu * 1000:8.1f} ms {cpu / first[1]:6.1f} x"
        print(f"  {name:<26} {wall * 1000:8.1f} ms {ratios}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    items = documents(options.documents)
    for codec in ("zstd", None):
        with TemporaryDirectory(prefix="exzarr-bench-") as folder:
            compare(Path(folder), items, codec, options.rounds)


if __name__ == "__main__":
    main()
