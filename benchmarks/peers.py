"""Adapters to the compared libraries: one small class per library, with the methods of `Peer`.

Each adapter calls its library in the way its documentation shows, with its defaults for threads and caches.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from benchmarks.data import AnyArray, Layout

Selection = tuple[int | slice, ...]


class UnavailableError(Exception):
    """The library, or the part of it to be measured, is not installed."""


class NotSupportedError(Exception):
    """The library has no such operation. Its cell in the table stays empty."""


class Properties(NamedTuple):
    """Properties of an open array. Reading them prevents a library from deferring the work of opening."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]


class Peer(Protocol):
    label: str
    package: str

    def settings(self) -> AbstractContextManager[object]:
        """Return the settings that must be active while another method runs."""
        ...

    def create(self, path: Path, layout: Layout) -> Any:
        """Create an array at `path` that is filled with the fill value."""
        ...

    def open(self, path: Path) -> Any: ...

    def read(self, array: Any) -> AnyArray:
        """Read the whole array."""
        ...

    def write(self, array: Any, values: AnyArray) -> None:
        """Write the whole array."""
        ...

    def select(self, array: Any, selection: Selection) -> Any:
        """Read a selection of integers and slices with positive steps."""
        ...

    def rows(self, array: Any, index: AnyArray) -> Any:
        """Read whole rows, in the order of `index`."""
        ...

    def properties(self, path: Path) -> Properties:
        """Open the array at `path` and return its properties."""
        ...

    def listing(self, path: Path) -> dict[str, Properties]:
        """Open all arrays of the hierarchy at `path` through its consolidated metadata."""
        ...


class Exzarr:
    label = package = "exzarr"

    def __init__(self) -> None:
        import exzarr

        self._exzarr = exzarr

    def settings(self) -> AbstractContextManager[object]:
        return nullcontext()

    def create(self, path: Path, layout: Layout) -> Any:
        return self._exzarr.create_array(
            path,
            shape=layout.shape,
            dtype="float32",
            chunks=layout.chunks,
            shards=layout.shards,
            compressors=layout.compressors or None,
            fill_value=0,
        )

    def open(self, path: Path) -> Any:
        return self._exzarr.open_array(path, mode="r")

    def read(self, array: Any) -> AnyArray:
        return array[...]

    def write(self, array: Any, values: AnyArray) -> None:
        array[...] = values

    def select(self, array: Any, selection: Selection) -> Any:
        return array[selection]

    def rows(self, array: Any, index: AnyArray) -> Any:
        return array.oindex[index]

    def properties(self, path: Path) -> Properties:
        return _properties(self.open(path))

    def listing(self, path: Path) -> dict[str, Properties]:
        group = self._exzarr.open_group(path, mode="r")
        return {name: _properties(array) for name, array in group.arrays()}


class ZarrPython:
    """zarr-python with the codec pipeline of the given name."""

    def __init__(self, label: str, pipeline: str, package: str = "zarr") -> None:
        import zarr

        self._zarr = zarr
        self._pipeline = pipeline
        self.label, self.package = label, package

    def settings(self) -> AbstractContextManager[object]:
        settings: AbstractContextManager[object] = self._zarr.config.set(
            {"codec_pipeline.path": self._pipeline}
        )
        return settings

    def create(self, path: Path, layout: Layout) -> Any:
        return self._zarr.create_array(
            path,
            shape=layout.shape,
            dtype="float32",
            chunks=layout.chunks,
            shards=layout.shards,
            compressors=layout.compressors or None,
            fill_value=0,
            zarr_format=3,
        )

    def open(self, path: Path) -> Any:
        return self._zarr.open_array(path, mode="r", zarr_format=3)

    def read(self, array: Any) -> AnyArray:
        return array[...]

    def write(self, array: Any, values: AnyArray) -> None:
        array[...] = values

    def select(self, array: Any, selection: Selection) -> Any:
        return array[selection]

    def rows(self, array: Any, index: AnyArray) -> Any:
        return array.oindex[index]

    def properties(self, path: Path) -> Properties:
        return _properties(self.open(path))

    def listing(self, path: Path) -> dict[str, Properties]:
        if self.package != "zarr":
            raise NotSupportedError("listing does not use the codec pipeline")
        group = self._zarr.open_consolidated(path, zarr_format=3)
        return {name: _properties(array) for name, array in group.arrays()}

    def create_hierarchy(self, path: Path, arrays: int) -> None:
        """Create a group of small arrays with consolidated metadata."""
        group = self._zarr.create_group(path, zarr_format=3)
        for i in range(arrays):
            group.create_array(
                f"variable_{i:03}",
                shape=(365, 180, 360),
                chunks=(1, 180, 360),
                dtype="float32",
                dimension_names=("time", "lat", "lon"),
                attributes={"units": "K", "long_name": f"variable number {i}"},
            )
        self._zarr.consolidate_metadata(path, zarr_format=3)


class TensorStore:
    """TensorStore with its file driver. ``file_io_sync`` is off, because no other library syncs each file."""

    label, package = "TensorStore", "tensorstore"

    def __init__(self) -> None:
        import tensorstore

        self._ts = tensorstore

    def settings(self) -> AbstractContextManager[object]:
        return nullcontext()

    def _spec(self, path: Path) -> dict[str, Any]:
        return {
            "driver": "zarr3",
            "kvstore": {"driver": "file", "path": str(path), "file_io_sync": False},
        }

    def create(self, path: Path, layout: Layout) -> Any:
        return self._ts.open({**self._spec(path), "metadata": layout.v3_document()}, create=True).result()

    def open(self, path: Path) -> Any:
        return self._ts.open(self._spec(path), open=True, read=True).result()

    def read(self, array: Any) -> AnyArray:
        return array.read().result()

    def write(self, array: Any, values: AnyArray) -> None:
        array.write(values, can_reference_source_data_indefinitely=True).result()

    def select(self, array: Any, selection: Selection) -> Any:
        return array[selection].read().result()

    def rows(self, array: Any, index: AnyArray) -> Any:
        return array[index].read().result()

    def properties(self, path: Path) -> Properties:
        array = self.open(path)
        return Properties(array.shape, array.dtype.numpy_dtype, array.chunk_layout.read_chunk.shape)

    def listing(self, path: Path) -> dict[str, Properties]:
        raise NotSupportedError("TensorStore does not support hierarchies")


def _properties(array: Any) -> Properties:
    return Properties(array.shape, array.dtype, array.chunks)


def _zarrs() -> Peer:
    import zarrs

    return ZarrPython("zarrs-python", "zarrs.ZarrsCodecPipeline", zarrs.__name__)


def _fused() -> Peer:
    from zarr.core import codec_pipeline

    if not hasattr(codec_pipeline, "FusedCodecPipeline"):
        version = metadata.version("zarr")
        raise UnavailableError(f"zarr {version} has no fused pipeline (3.4 has, and needs Python 3.12)")
    return ZarrPython("zarr-python fused", "zarr.core.codec_pipeline.FusedCodecPipeline")


BASELINE = "exzarr"
ZARR = ("zarr-python", "zarr-python fused")

FACTORIES: dict[str, Callable[[], Peer]] = {
    BASELINE: Exzarr,
    "TensorStore": TensorStore,
    "zarrs-python": _zarrs,
    "zarr-python": lambda: ZarrPython("zarr-python", "zarr.core.codec_pipeline.BatchedCodecPipeline"),
    "zarr-python fused": _fused,
}


def available(labels: list[str] | None = None) -> tuple[list[Peer], dict[str, str]]:
    """Return the installed peers, and the missing package of each other peer."""
    peers: list[Peer] = []
    missing: dict[str, str] = {}
    for label in labels or FACTORIES:
        try:
            peers.append(FACTORIES[label]())
        except (ImportError, UnavailableError) as error:
            missing[label] = str(error)
    return peers, missing
