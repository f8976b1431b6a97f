"""The codec lab. Sizes are compared with those of the codec libraries."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given, strategies as st
from numcodecs import Blosc

import exzarr
from exzarr.codecs import registry
from exzarr.codecs.base import BytesBytesCodec
from exzarr.errors import ArgumentError
from exzarr.lab import CodecReport, Destination, codec_lab, codecs
from exzarr.lab.codec_grid import Chain, grid
from exzarr.lab.codec_report import ARCHIVE, LOCAL, OBJECTS, best_for, break_even, seconds_per_byte
from exzarr.lab.codec_trial import CodecTrial
from exzarr.lab.pareto import front

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limit the time of each chain: speeds do not matter in these tests."""
    monkeypatch.setattr(codec_lab, "MOST_SECONDS", 0.01)


def quick(data: Any, **options: Any) -> CodecReport:
    return codecs(data, **{"threads": 2, **options})


@pytest.fixture
def waves() -> np.ndarray:
    x = np.linspace(0, 50, 40_000)
    return (1000 * np.sin(x) + np.random.default_rng(0).normal(0, 3, x.size)).astype("i4")


def test_ratios_match_codec_libraries(waves: Any) -> None:
    waves = waves[:30_000]  # three chunks are always tried, even on a slow machine
    report = quick(
        waves,
        chunks=(10_000,),
        only=[None, "zstd", {"name": "gzip", "configuration": {"level": 6}}, Blosc("lz4", 5, 1)],
    )
    parts = [waves[i : i + 10_000].tobytes() for i in range(0, 30_000, 10_000)]
    total = sum(map(len, parts))
    zstd = zstandard.ZstdCompressor(level=3, write_checksum=True)
    assert report.trial("none").ratio == 1
    assert report.trial("zstd").ratio == pytest.approx(
        total / sum(len(zstd.compress(part)) for part in parts)
    )
    assert report.trial("gzip").ratio == pytest.approx(
        total / sum(len(zlib.compress(p, 6)) for p in parts), rel=0.15
    )
    blosc = Blosc("lz4", 5, Blosc.SHUFFLE)
    own = next(trial for trial in report.trials if "lz4" in trial.label.lower())
    assert own.ratio == pytest.approx(
        total / sum(len(blosc.encode(np.frombuffer(p, "i4"))) for p in parts), rel=0.01
    )


@pytest.mark.parametrize("dtype", ["u1", "<f4", ">f8", "?", "M8[s]", "S5"])
def test_every_chain_of_the_grid_is_lossless(dtype: str) -> None:
    rng = np.random.default_rng(0)
    data: Any = rng.integers(0, 100, 3000)
    data = data.astype("U").astype(dtype) if dtype == "S5" else data.astype(dtype)
    if data.dtype.kind == "f":
        data[::7] = np.nan
    report = quick(data, effort="thorough", chunks=(1000,))
    # Chains are left out only for lack of time: a chain that damages data would appear here.
    assert [reason for _, reason in report.left_out if "the time limit" not in reason] == []
    assert report.trial("none").ratio == 1


def test_grid_depends_on_data_type() -> None:
    def labels(dtype: str, **options: Any) -> str:
        return " / ".join(chain.label for chain in grid(np.dtype(dtype), **options))

    assert "delta" in labels("i4")
    assert "delta" not in labels("f4")
    assert "packbits" in labels("?")
    assert "bitround" not in labels("f4")
    assert "bitround" in labels("f4", lossy=True)
    assert "bitround" not in labels("i4", lossy=True)
    assert "zstd 19" not in labels("f4")
    assert "zstd 19" in labels("f4", effort="thorough")
    assert len(grid(np.dtype("f4"), effort="quick")) < 10


def test_random_bytes_are_not_compressed() -> None:
    noise = np.random.default_rng(0).integers(0, 256, 2_000_000).astype("u1")
    report = quick(noise, effort="quick")
    assert {trial.label for trial in report.best.values()} == {"none"}
    assert any(": none, because" in reason for reason in report.reasons)


def test_slow_destinations_get_small_data(waves: Any) -> None:
    slow = [Destination("modem", 5000.0), replace(ARCHIVE, least_encode=0.0)]
    report = quick(waves, effort="quick", destinations=slow)
    smallest = max(trial.ratio for trial in report.trials)
    assert report.best["archive"].ratio >= smallest / 1.01
    assert report.best["modem"].ratio >= smallest / 1.1


def test_lossy_chains_show_errors_and_are_not_recommended() -> None:
    data = np.random.default_rng(0).random(100_000, dtype="f4") + 1
    report = quick(data, lossy=True, effort="quick")
    rounded = [trial for trial in report.trials if trial.chain.lossy]
    assert rounded
    for trial in rounded:
        bits = trial.chain.filters[0]["configuration"]["keepbits"]
        assert 0 < trial.relative_error <= 2.0 ** -(bits + 1)
    assert not any(trial.chain.lossy for trial in report.best.values())


class WrongCodec(BytesBytesCodec):
    name = "test.wrong"

    @classmethod
    def from_config(cls, configuration: Any) -> WrongCodec:
        return cls()

    def to_config(self) -> dict[str, Any]:
        return {}

    def encode(self, data: Any) -> bytes:
        return bytes(data)

    def decode(self, data: Any, size: int | None, limit: int) -> bytes:
        return bytes(len(data))


def test_codec_with_wrong_output_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry._classes, "test.wrong", WrongCodec)
    report = quick(np.arange(1000), only=[None, {"name": "test.wrong"}])
    assert [trial.label for trial in report.trials] == ["none"]
    assert report.left_out == (("test.wrong", "test.wrong decodes to other data than it encoded"),)


def test_sample_consists_of_chunks_of_the_array(tmp_path: Any) -> None:
    array = exzarr.create_array(tmp_path / "a", shape=(1000, 10), chunks=(50, 10), dtype="f4")
    array[...] = np.random.default_rng(0).random((1000, 10))
    report = quick(tmp_path / "a", only=["zstd"], sample_bytes=5 * 50 * 10 * 4)
    assert report.chunk_shape == (50, 10)
    assert report.sample.startswith("tried on 5 of 20 chunks")
    assert report.trials[0].chunks <= 5


def test_missing_chunks_are_skipped() -> None:
    array = exzarr.create_array(exzarr.MemoryStore(), shape=(4000,), chunks=(100,), dtype="f4")
    array[1000:1300] = np.random.default_rng(0).random(300)
    report = quick(array, only=["zstd"])
    assert report.sample.startswith("tried on 3 of 40 chunks")
    assert report.trials[0].ratio < 2
    empty = exzarr.create_array(exzarr.MemoryStore(), shape=(4000,), chunks=(100,), dtype="f4")
    assert quick(empty, only=["zstd"]).sample.startswith("tried on 1 of 40 chunks")


def test_labels_of_given_chains() -> None:
    delta = {"name": "numcodecs.delta", "configuration": {"dtype": "<i4"}}
    report = quick(
        np.arange(5000, dtype="i4"), only=[{"filters": [delta], "compressors": ["zstd", "crc32c"]}, []]
    )
    assert {trial.label for trial in report.trials} == {"delta + zstd + crc32c", "none"}


def test_strings_are_compressed() -> None:
    words = np.array(["apple", "pear", "plum", "fig"] * 500, dtype=np.dtypes.StringDType())
    report = quick(words, only=[None, "zstd"])
    assert report.trial("zstd").ratio > report.trial("none").ratio


def test_untried_chains_are_reported(waves: Any) -> None:
    report = quick(waves, seconds=0.0)
    assert len(report.trials) == 1
    assert len(report.left_out) > 10
    assert "the time limit" in report.left_out[0][1]


def test_report_prints_and_is_strict_json(waves: Any) -> None:
    report = quick(waves, effort="quick", lossy=True)
    found = json.loads(report.to_json(), parse_constant=lambda token: pytest.fail(token))
    assert {trial["label"] for trial in found["trials"]} == {trial.label for trial in report.trials}
    assert found["front"] == [trial.label for trial in report.front]
    zstd = next(trial for trial in found["trials"] if trial["label"] == "zstd 3")
    assert zstd["codecs"]["compressors"]["name"] == "zstd"
    assert "◆" in str(report)
    assert "<table" in report._repr_html_()


def test_options_of_chains_create_arrays(waves: Any) -> None:
    for trial in quick(waves, effort="normal").trials:
        array = exzarr.create_array(exzarr.MemoryStore(), data=waves, **trial.chain.options)
        np.testing.assert_array_equal(array[...], waves)


def test_report_can_be_plotted(waves: Any, tmp_path: Any) -> None:
    pytest.importorskip("matplotlib")
    path = quick(waves, effort="quick").plot(tmp_path / "codecs.png")
    assert path.read_bytes()[:4] == b"\x89PNG"


def test_invalid_arguments_are_refused(waves: Any) -> None:
    with pytest.raises(ArgumentError, match="do not fit"):
        quick(waves, chunks=(3, 3))
    with pytest.raises(ArgumentError, match="not known"):
        quick(waves, only=["zsdt"])


# -- choosing ---------------------------------------------------------------------------------


def trial(label: str, ratio: float, decode: float, encode: float = 1e9) -> CodecTrial:
    return CodecTrial(Chain(label), ratio, encode, decode, encode, decode, True, 1)


NONE = trial("none", 1.0, 10e9, 100e9)


def test_best_chain_depends_on_destination() -> None:
    small, fast = trial("small", 4.0, 0.3e9, 20e6), trial("fast", 2.0, 4e9)
    trials = [NONE, small, fast]
    assert best_for(trials, Destination("memory", 50e9)) is NONE
    assert best_for(trials, LOCAL) is fast
    assert best_for(trials, Destination("slow", 20e6, overlap=True)) is small
    assert best_for(trials, ARCHIVE) is small
    assert best_for(trials, replace(ARCHIVE, least_encode=1e8)) is fast
    assert best_for([small], replace(ARCHIVE, least_encode=1e8)) is None


def test_chain_with_small_gain_does_not_beat_none() -> None:
    assert best_for([NONE, trial("lz4", 1.01, 20e9)], OBJECTS) is NONE


@given(st.floats(1.05, 50), st.floats(1e7, 9e9))
def test_times_are_equal_at_break_even(ratio: float, decode: float) -> None:
    one = trial("one", ratio, decode, 1e12)
    bandwidth = break_even(one, NONE)
    there = Destination("there", bandwidth, reads=1e6)
    assert seconds_per_byte(one, there) == pytest.approx(seconds_per_byte(NONE, there), rel=1e-3)
    slower = replace(there, bandwidth=bandwidth / 2)
    assert seconds_per_byte(one, slower) < seconds_per_byte(NONE, slower)


def test_break_even_of_very_fast_or_useless_codec() -> None:
    assert break_even(trial("one", 2.0, 20e9), NONE) == float("inf")
    assert break_even(trial("one", 0.99, 20e9), NONE) == 0.0


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12))
def test_pareto_front_matches_definition(points: Any) -> None:
    marks = front(points)
    for i, (x, y) in enumerate(points):
        beaten = any((a > x and b >= y) or (a >= x and b > y) for a, b in points)
        assert marks[i] == (not beaten)
