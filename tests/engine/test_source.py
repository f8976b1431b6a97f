"""Bound pipelines are shared between sources, and bound again if the codecs have changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import exzarr
from exzarr import config
from exzarr._engine.source import open_source
from exzarr.codecs import registry
from exzarr.codecs.zstd import Zstd
from exzarr.errors import UnsupportedError
from tests.engine.tools import make, numbered


def test_resized_array_shares_bound_pipelines() -> None:
    array = make((8, 8), chunks=(4, 4), compressors="zstd")
    grown = array.metadata.with_(shape=(12, 8))
    one = open_source(array.store, "", array.metadata)
    other = open_source(array.store, "", grown)
    assert other.inner_pipeline is one.inner_pipeline
    assert (one.shape, other.shape) == ((8, 8), (12, 8))
    filled = array.metadata.with_(fill_value=np.int32(7))
    assert open_source(array.store, "", filled).inner_pipeline.spec.fill_value == 7


def test_arrays_of_one_kind_share_bound_pipelines(tmp_path: Path) -> None:
    root = exzarr.create_group(tmp_path / "a.zarr")
    for n, name in enumerate("ab"):
        made = root.create_array(name, shape=(8,), chunks=(4,), dtype="i4", attributes={"n": n})
        made[...] = numbered((8,)) + n
    exzarr.consolidate_metadata(root)
    one, other = [array for _, array in exzarr.open_group(tmp_path / "a.zarr").arrays()]
    assert one.chunk_source.inner_pipeline is other.chunk_source.inner_pipeline
    assert (other[...] - one[...] == 1).all()


def test_newly_registered_codec_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    array = make((8,), chunks=(4,), compressors="zstd")
    array[...] = numbered((8,))
    decoded: list[int] = []

    class Loud(Zstd):
        def decode(self, data: Any, size: int | None, limit: int) -> Any:
            decoded.append(len(data))
            return super().decode(data, size, limit)

    monkeypatch.setattr(registry, "_classes", dict(registry._classes))
    registry.register("zstd", Loud)
    out = open_source(array.store, "", array.metadata)
    out.inner_pipeline.decode(array.store.get("c/0"))  # type: ignore[arg-type]  # it is stored
    assert decoded


def test_changed_settings_apply_to_bound_codecs() -> None:
    with config.override(allow_pickle=True):
        array = exzarr.create_array(
            None, shape=(4,), chunks=(2,), dtype="i4", zarr_format=3,
            filters=[], serializer={"name": "numcodecs.pickle", "configuration": {"protocol": 5}}, compressors=None,
        )  # fmt: skip
        open_source(array.store, "", array.metadata)
    with pytest.raises(UnsupportedError, match="pickle"):
        open_source(array.store, "", array.metadata)
