"""Reads with other libraries, and detection of differences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from exzarr.errors import MissingDependencyError, TimedOutError
from exzarr.gallery import peers

VALUES = {
    "f4": np.array([[1.5, np.nan], [-0.0, np.inf], [3e38, 7]], "f4"),
    "big": np.array([[2**62 + 1, -5]], ">i8"),
    "bool": np.array([[True, False], [False, True]]),
    "text": np.array(["a", "", "çà"], dtype=np.dtypes.StringDType()),
}


@pytest.fixture(params=[2, 3])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    root = zarr.create_group(tmp_path / "g.zarr", zarr_format=request.param)
    for name, values in VALUES.items():
        root.create_array(name, shape=values.shape, dtype="string" if name == "text" else values.dtype)[
            ...
        ] = values
    turned = root.create_array(
        "turned", shape=(3, 2), dtype="f4", **({"order": "F"} if request.param == 2 else {})
    )
    turned[...] = VALUES["f4"]
    return tmp_path / "g.zarr"


@pytest.mark.parametrize("name", ["f4", "big", "bool", "turned"])
def test_all_peers_read_numbers(folder: Path, name: str) -> None:
    expected = VALUES["f4" if name == "turned" else name]
    for peer in (peers.zarr_python, peers.tensorstore):
        assert peers.judge(peer, folder, name, expected) == peers.Verdict("same")
    if peers.has_zarrita():
        assert peers.judge(peers.zarrita, folder, name, expected) == peers.Verdict("same")


def test_strings_are_compared_and_a_refusal_has_a_reason(folder: Path) -> None:
    assert peers.judge(peers.zarr_python, folder, "text", VALUES["text"]).outcome == "same"
    if peers.has_zarrita():
        assert peers.judge(peers.zarrita, folder, "text", VALUES["text"]).outcome == "same"
    refused = peers.judge(peers.tensorstore, folder, "text", VALUES["text"])
    assert refused.outcome == "refused"
    assert refused.reason


def test_different_value_or_shape_is_detected(folder: Path) -> None:
    changed = VALUES["f4"].copy()
    changed[2, 1] = 8
    assert peers.judge(peers.zarr_python, folder, "f4", changed) == peers.Verdict("other", "values")
    assert peers.judge(peers.zarr_python, folder, "f4", changed.T) == peers.Verdict("other", "shape (3, 2)")


def test_zarritas_error_is_the_reason_of_a_refusal(folder: Path) -> None:
    if not peers.has_zarrita():
        pytest.skip("node or zarrita.js is not installed")
    refused = peers.judge(peers.zarrita, folder, "absent", VALUES["f4"])
    assert refused.outcome == "refused"
    assert "NotFound" in refused.reason


def test_slow_reader_times_out(folder: Path) -> None:
    if not peers.has_zarrita():
        pytest.skip("node or zarrita.js is not installed")
    with pytest.raises(TimedOutError, match="within"):
        peers.zarrita(folder, "f4", timeout=0.001)


def test_missing_node_is_an_error_that_names_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert not peers.has_zarrita()
    with pytest.raises(MissingDependencyError, match=peers.NODE_MODULES):
        peers.zarrita(folder, "f4")
