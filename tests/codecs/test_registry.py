"""The registry finds built-in codecs, registered codecs, and codecs of installed packages."""

from __future__ import annotations

from typing import Any

import pytest

import exzarr.codecs as ec
from exzarr.codecs import registry
from exzarr.codecs.base import BytesBytesCodec
from exzarr.errors import ArgumentError, MetadataError, UnsupportedError
from tests.codecs.tools import LITTLE, bound, data_of, spec_of


class Flipped(BytesBytesCodec):
    """A codec that inverts every bit."""

    name = "test.flipped"

    @classmethod
    def from_config(cls, configuration: Any) -> Flipped:
        return cls()

    def to_config(self) -> dict[str, Any]:
        return {}

    def encode(self, data: Any) -> bytes:
        return bytes(255 - byte for byte in data)

    def decode(self, data: Any, size: int | None, limit: int) -> bytes:
        return bytes(255 - byte for byte in data)


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_classes", {})
    monkeypatch.setattr(registry.CODECS, "registered", {})


def test_every_known_codec_has_a_class_of_its_name(clean: None) -> None:
    for name in ec.known():
        found = ec.get(name)
        assert found.name == name
        assert found.kind in ("array_array", "array_bytes", "bytes_bytes")
        assert found.__doc__, name


def test_all_public_names_can_be_imported() -> None:
    for name in ec.__all__:
        assert getattr(ec, name) is not None
    with pytest.raises(AttributeError, match="Nope"):
        _ = ec.Nope  # type: ignore[attr-defined]


def test_a_registered_codec_is_used(clean: None) -> None:
    ec.register("test.flipped", Flipped)
    spec = spec_of((3,), "u1")
    pipeline = bound(spec, {"name": "bytes"}, "test.flipped")
    array = data_of(spec)
    assert bytes(pipeline.encode(array)) == bytes(255 - array)
    assert pipeline.decode(pipeline.encode(array)).tolist() == array.tolist()
    assert "test.flipped" in ec.known()


def test_unknown_codec_error_lists_known_codecs(clean: None) -> None:
    with pytest.raises(UnsupportedError, match=r"'nope' is not known.*blosc.*zstd"):
        ec.get("nope")
    with pytest.raises(UnsupportedError):
        bound(spec_of((2,)), LITTLE, "numcodecs.nope")


@pytest.mark.parametrize("bad", [int, object(), type("Plain", (), {"kind": "bytes_bytes"}), Flipped])
def test_register_rejects_other_objects_than_codec_classes(clean: None, bad: Any) -> None:
    with pytest.raises(ArgumentError):
        ec.register("test.bad", bad)


@pytest.mark.parametrize(
    "json", [5, None, {}, {"name": 5}, [], {"name": "zstd", "configuration": []}, {"configuration": {}}]
)
def test_invalid_codec_in_a_document_raises_metadata_error(json: Any) -> None:
    with pytest.raises(MetadataError):
        registry.from_json(json)


def test_importing_the_package_imports_no_compression_library(run_python: Any) -> None:
    done = run_python(
        "import sys; sys.path.insert(0, 'src')\n"
        "import exzarr.codecs, exzarr.codecs.pipeline\n"
        "print([m for m in ('numcodecs', 'zstandard', 'deflate', 'google_crc32c', 'ml_dtypes') if m in sys.modules])"
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
