"""The conformance suite for codecs: derive from `CodecSuite` and run pytest.

::

    from exzarr.testing.codec_suite import CodecSuite

    class TestMyCodec(CodecSuite):
        data_types = ("f4", "f8")

        def make_codec(self):
            return MyCodec(level=3)

A lossy codec sets ``exact = False`` and defines `CodecCase.error_bound`. `CodecCase` has the other settings.
This module requires pytest.
"""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import exzarr
from exzarr._plugins import configured
from exzarr.codecs import registry
from exzarr.codecs.base import ChunkSpec
from exzarr.codecs.pipeline import ChunkPipeline
from exzarr.errors import MetadataError
from exzarr.testing.codec_case import CodecCase, sample
from exzarr.testing.codec_damage import CodecDamage
from exzarr.testing.codec_values import CodecValues
from exzarr.testing.limits import FORKS, failure_in_child

__all__ = ["CodecCase", "CodecSuite"]


class CodecSuite(CodecValues, CodecDamage):
    """All tests of the suite. A subclass defines `make_codec`, and can set the attributes of `CodecCase`."""

    # -- concurrency ------------------------------------------------------------

    def test_threads_share_one_codec(self) -> None:
        pipeline = self.one()

        def work(seed: int) -> None:
            array = sample(pipeline.spec, seed)
            for _ in range(10):
                self.check_equal(pipeline.decode(bytes(pipeline.encode(array))), array)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(8)))

    @pytest.mark.skipif(not FORKS, reason="this system has no fork")
    def test_forked_process_can_use_the_codec(self) -> None:
        pipeline = self.one()
        array = sample(pipeline.spec)
        data = bytes(pipeline.encode(array))

        def run() -> None:
            self.check_equal(pipeline.decode(data), array)
            self.check_equal(pipeline.decode(bytes(pipeline.encode(array))), array)

        failed = failure_in_child(run)
        assert failed is None, failed

    def test_unpickled_codec_encodes_the_same(self) -> None:
        codec = self.make_codec()
        again = pickle.loads(pickle.dumps(codec))  # noqa: S301 - our own
        assert again.to_config() == codec.to_config()
        pipeline = self.one()
        array = sample(pipeline.spec)
        chain = [again if one.name == codec.name else one for one in self.make_chain()]
        decoded = ChunkPipeline(chain).bind(pipeline.spec).decode(bytes(pipeline.encode(array)))
        self.check_equal(decoded, array)

    # -- documents ---------------------------------------------------------------

    def test_configuration_is_json_and_makes_the_same_codec(self) -> None:
        codec = self.make_codec()
        configuration = json.loads(json.dumps(codec.to_config(), allow_nan=False))
        again = type(codec).from_config(configuration)
        assert again.name == codec.name
        assert json.loads(json.dumps(again.to_config())) == configuration

    def test_wrong_configurations_raise_metadata_error(self) -> None:
        codec = self.make_codec()
        good = codec.to_config()
        wrong: tuple[Any, ...] = ({"a": [[]]}, "\0", [None], 1e400)
        for bad in (
            {**good, "no such key of any codec": 1},
            *({**good, key: value} for key in good for value in wrong),
        ):
            try:
                made = configured("codec", codec.name, type(codec).from_config, bad)
            except MetadataError:
                continue
            assert made.to_config() != good or bad == good, f"{bad} was accepted, and a part of it ignored"

    def test_codec_is_found_by_the_name_in_documents(self) -> None:
        codec = self.make_codec()
        assert codec.name == type(codec).name
        assert registry.get(codec.name) is type(codec), (
            f"declare an entry point of the group exzarr.codecs with the name {codec.name!r}, and install the package"
        )

    def test_v2_documents_hold_the_codec(self) -> None:
        if self.v2 is None:
            pytest.skip("Zarr v2 has no such codec")
        for data_type in self.data_types:
            store: dict[str, bytes] = {}
            kind = self.make_codec().kind
            try:
                array = exzarr.create_array(
                    store, shape=(10, 7), chunks=(4, 3), dtype=data_type, zarr_format=2,
                    filters=None if kind == "bytes_bytes" else [self.v2],
                    compressors=self.v2 if kind == "bytes_bytes" else None,
                )  # fmt: skip
            except exzarr.ArgumentError as error:
                raise AssertionError(f"a v2 array of {data_type} cannot have {self.v2}: {error}") from error
            values = sample(ChunkSpec((10, 7), array.metadata.data_type, array.fill_value))
            array[...] = values
            document = json.loads(store[".zarray"])
            assert self.v2["id"] in json.dumps([document["compressor"], document["filters"]])
            self.check_equal(exzarr.open_array(store, mode="r")[...], values)
