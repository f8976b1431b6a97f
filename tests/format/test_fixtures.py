"""All documents of the shared fixtures parse to the same metadata as in zarr-python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import zarr

from exzarr._format import consolidated, json_text, nodes, v2, v3
from exzarr._format.metadata import ArrayMetadata, GroupMetadata
from tests.format.same import same_dtype, same_value

PROJECT = Path(__file__).parents[2]
FIXTURES = PROJECT.parent / "shared" / "fixtures"
NODES = sorted(path for name in (".zarray", ".zgroup", "zarr.json") for path in FIXTURES.rglob(name))

pytestmark = pytest.mark.skipif(not NODES, reason="the fixtures are not available")


def load(document: Path) -> ArrayMetadata | GroupMetadata:
    if document.name == "zarr.json":
        return v3.loads(document.read_bytes(), document.name)
    attributes = document.with_name(".zattrs")
    zattrs = attributes.read_bytes() if attributes.exists() else None
    return v2.loads(document.read_bytes(), zattrs, kind="array" if document.name == ".zarray" else "group")


@pytest.mark.parametrize("document", NODES, ids=[str(path.relative_to(FIXTURES)) for path in NODES])
def test_node_equals_zarr_python(document: Path) -> None:
    ours = load(document)
    if isinstance(ours, ArrayMetadata) and ours.data_type.kind == "object":
        pytest.skip("zarr-python 3 has no object types except strings and bytes")
    theirs: Any = zarr.open(document.parent, mode="r", zarr_format=ours.zarr_format, use_consolidated=False)
    assert dict(theirs.attrs) == ours.attributes
    assert isinstance(theirs, zarr.Array) == isinstance(ours, ArrayMetadata)
    if not isinstance(ours, ArrayMetadata):
        return
    assert ours.shape == theirs.shape
    assert ours.chunk_grid.chunk_shape == (theirs.shards or theirs.chunks)
    assert same_value(ours.fill_value, theirs.metadata.fill_value)
    assert same_dtype(ours.data_type.dtype, theirs.dtype, native=ours.zarr_format == 3)
    index = tuple(range(ours.ndim))
    assert ours.chunk_key_encoding.encode(index) == theirs.metadata.encode_chunk_key(index)


@pytest.mark.parametrize("document", NODES, ids=[str(path.relative_to(FIXTURES)) for path in NODES])
def test_rewrite_keeps_the_metadata(document: Path) -> None:
    ours = load(document)
    if ours.zarr_format == 3:
        assert v3.to_json(v3.loads(v3.dumps(ours))) == v3.to_json(ours)
    elif isinstance(ours, ArrayMetadata):
        documents = v2.array_documents(ours)
        again = v2.loads(documents[".zarray"], documents[".zattrs"], kind="array")
        assert isinstance(again, ArrayMetadata)
        assert v2.array_json(again) == v2.array_json(ours)


@pytest.mark.parametrize(
    "path", sorted(FIXTURES.rglob(".zmetadata")), ids=lambda path: str(path.relative_to(FIXTURES))
)
def test_consolidated_v2_metadata_equals_the_nodes_documents(path: Path) -> None:
    found = consolidated.from_v2(json_text.decode(path.read_bytes(), path.name))
    assert len(found.documents) > 1
    for node in found.documents:
        parsed = nodes.consolidated_node(found, node)
        own = load(next(p for p in NODES if p.parent == path.parent / node))
        if isinstance(parsed, ArrayMetadata) and isinstance(own, ArrayMetadata):
            assert v2.array_json(parsed) == v2.array_json(own)
        assert parsed is not None
        assert parsed.attributes == own.attributes
