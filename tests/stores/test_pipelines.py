"""URL pipelines: addresses of several stages."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest
from typer.testing import CliRunner

import exzarr
from exzarr._cli.app import app
from exzarr.errors import ArgumentError, NodeNotFoundError, ReadOnlyError, StoreError, UnsupportedError
from exzarr.stores import LocalStore, ZipStore, resolve_store
from exzarr.stores.pipelines import parse_pipeline
from exzarr.stores.zip.nested import NestedZipStore
from tests.web_servers import web_server

DATA = np.arange(60).reshape(6, 10)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with hierarchies of both formats, zip files of them, and a zip file in a zip file."""
    monkeypatch.chdir(tmp_path)
    exzarr.create_array("x.zarr", name="g/a", data=DATA, chunks=(3, 4), shards=(6, 8))
    exzarr.create_array("y.zarr", name="g/a", data=DATA, chunks=(3, 4), zarr_format=2)
    for name in ("x", "y"):
        exzarr.copy(f"{name}.zarr", f"{name}.zip")
    with zipfile.ZipFile("outer.zip", "w") as archive:
        archive.write("x.zip", "in side/x.zip")
    with zipfile.ZipFile("packed.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write("x.zip", "x.zip")
    return tmp_path


# -- syntax -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "schemes"),
    [
        ("s3://bucket/data.zip|zip:|zarr3:", ["zip", "zarr3"]),
        ("file:/a.zip|zip", ["zip"]),
        ("file:///a.zip|ZIP:b/c.zip|zip:d|Zarr2:e", ["zip", "zip", "zarr2"]),
        ("repo/|icechunk://branch.main/|zarr3:a/b/", ["icechunk", "zarr3"]),
        ("file:/x|vendor1-2.custom+adapter:/y", ["vendor1-2.custom+adapter"]),
    ],
)
def test_stages_are_parsed(text, schemes):
    stages = parse_pipeline(text)
    assert stages is not None
    assert [stage.scheme for stage in stages[1:]] == schemes
    assert [stage.number for stage in stages] == [*range(1, len(schemes) + 2)]


@pytest.mark.parametrize("text", ["a", "s3://bucket/x", "a|b", "|zip:", "a|zip:|c d", "a|"])
def test_other_texts_are_paths(text):
    assert parse_pipeline(text) is None


def test_existing_folder_with_a_bar_is_a_path(tmp_path):
    exzarr.create_array(tmp_path / "a|zip:", data=DATA)
    assert np.array_equal(exzarr.open(f"{tmp_path}/a|zip:")[...], DATA)


# -- zip and formats --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "x.zip|zip:g/a",
        "x.zip|zip:/g/a/",
        "x.zip|zip:|zarr3:g/a",
        "x.zip|zip:g|zarr:a",
        "file:x.zip|zip|zarr3:g/a",
        "file:{folder}/x.zip|zip:|zarr3:g/a",
        "FILE://{folder}/x.zip|ZIP:|ZARR3:g/a",
        "file://localhost{folder}/x.zip|zip:|zarr3:g/a",
        "y.zip|zip:|zarr2:g/a",
        "x.zarr|zarr3:g/a",
        "x.zarr/g|zarr3:a",
        "file://{folder}/y.zarr/|zarr2:g/a",
        "outer.zip|zip:in%20side/x.zip|zip:g|zarr3:a",
        "packed.zip|zip:x.zip|zip:g/a",
    ],
)
def test_addresses_are_read(folder, address):
    a = exzarr.open(address.format(folder=folder))
    assert np.array_equal(a[...], DATA)
    assert np.array_equal(a[1:5:2, ::-3], DATA[1:5:2, ::-3])


def test_stores_of_addresses(folder):
    assert resolve_store("x.zip|zip:g") == (ZipStore("x.zip"), "g")
    assert resolve_store("x.zarr|zarr3:g") == (LocalStore("x.zarr"), "g")
    store, path = resolve_store("outer.zip|zip:in side/x.zip|zip:g")
    assert isinstance(store, NestedZipStore)
    assert path == "g"
    assert store == pickle.loads(pickle.dumps(store))
    assert store.url == f"zip://{folder}/outer.zip/in side/x.zip|zip:"
    assert store.read_only
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.get("zarr.json")


def test_every_function_takes_an_address(folder):
    assert "g" in str(exzarr.tree("outer.zip|zip:in side/x.zip|zip:"))
    exzarr.copy("outer.zip|zip:in side/x.zip|zip:g|zarr3:", "copy.zarr|zarr3:")
    assert np.array_equal(exzarr.open("copy.zarr")["a"][...], DATA)
    assert exzarr.check("x.zip|zip:|zarr3:").ok
    assert exzarr.open("x.zip|zip:|zarr3:", path="g/a").shape == DATA.shape


def test_the_command_takes_an_address(folder):
    result = CliRunner().invoke(app, ["tree", "outer.zip|zip:in%20side/x.zip|zip:|zarr3:"])
    assert result.exit_code == 0, result.output
    assert "6×10" in result.output
    result = CliRunner().invoke(app, ["info", "x.zip|n5:"])
    assert result.exit_code
    assert "stage 2, 'n5:'" in " ".join(result.output.split())


def test_writing(folder):
    exzarr.create_array("new.zarr|zarr3:b", data=DATA)
    assert exzarr.open("new.zarr")["b"].zarr_format == 3
    exzarr.save("new.zip|zip:", a=DATA)
    exzarr.open("x.zarr|zarr3:g/a", mode="r+")[0, 0] = 9
    assert exzarr.open("x.zarr/g/a")[0, 0] == 9


# -- errors name the stage --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "mode", "error", "message"),
    [
        ("y.zip|zip:|zarr3:g/a", "r", NodeNotFoundError, "stage 3, 'zarr3:g/a', of .* has Zarr format 2, not 3"),
        ("x.zarr|zarr2:", None, NodeNotFoundError, "stage 2, 'zarr2:', of .* has Zarr format 3, not 2"),
        ("no.zip|zip:|zarr3:", "r", NodeNotFoundError, "stage 2, 'zip:', of .* no zip file"),
        ("outer.zip|zip:no.zip|zip:", "r", NodeNotFoundError, "stage 3, 'zip:', of .* no zip file 'no.zip'"),
        ("outer.zip|zip:|zip:", "r", ArgumentError, "stage 3, .* does not lead to a file"),
        ("x.zarr/zarr.json|zip:", "r", StoreError, "stage 2, .* is no zip file"),
        ("x.zip|ocdbt:", "r", UnsupportedError, "stage 2, 'ocdbt:', .* does not have 'ocdbt'; it has zip:"),
        ("gopher://host/x|zarr3:", "r", UnsupportedError, "stage 1, 'gopher://host/x', of"),
        ("gopher://host/x|zip:", "r", UnsupportedError, "stage 1, 'gopher://host/x', of"),
        ("memory:x|zip:", "r", ArgumentError, "stage 1, 'memory:x', .* is not the URL of a file"),
        ("x.zip|zip:../y", "r", StoreError, "stage 2, 'zip:../y', of"),
        ("x.zip|zip:", "r+", ReadOnlyError, "stage 2, 'zip:', of"),
        ("outer.zip|zip:in side/x.zip|zip:", "a", ReadOnlyError, "stage 2"),
        ("new.zarr|zarr2:", "a", ArgumentError, "stage 2, 'zarr2:', .* pass zarr_format=2"),
        ("new.zarr|zarr2:", "w", ArgumentError, "stage 2, 'zarr2:', .* pass zarr_format=2"),
    ],
)  # fmt: skip
def test_errors_name_the_stage(folder, address, mode, error, message):
    with pytest.raises(error, match=message):
        resolve_store(address, mode=mode)


def test_node_with_both_formats_is_an_error(folder):
    exzarr.copy("y.zarr", "both.zarr")
    exzarr.convert("both.zarr", zarr_format=3)
    assert exzarr.open("both.zarr|zarr3:").zarr_format == 3
    with pytest.raises(ArgumentError, match="metadata of both formats"):
        exzarr.open("both.zarr|zarr2:")


def test_options_of_a_local_path_are_refused(folder):
    with pytest.raises(ArgumentError, match=r"stage 2.*local path"):
        exzarr.open("x.zip|zip:", storage_options={"anon": True})


def test_messages_hide_passwords(folder):
    with pytest.raises(exzarr.errors.ExzarrError) as caught:
        exzarr.open("gopher://me:secret@host/x.zip|zip:")
    assert "secret" not in str(caught.value)


# -- zip files elsewhere ----------------------------------------------------------------------------


def test_zip_files_in_memory_and_sqlite(folder):
    data = (folder / "x.zip").read_bytes()
    exzarr.MemoryStore("files").put("d/x.zip", data)
    for address in ("memory://files/d/x.zip|zip:|zarr3:g/a", "memory:files/d/x.zip|zip:|zarr3:g/a"):
        assert np.array_equal(exzarr.open(address)[...], DATA)


def test_zip_file_that_is_replaced_while_it_is_read_is_an_error(folder):
    files = exzarr.MemoryStore("replaced")
    files.put("d/x.zip", (folder / "x.zip").read_bytes())
    a = exzarr.open("memory://replaced/d/x.zip|zip:g/a")
    files.put("d/x.zip", (folder / "y.zip").read_bytes())
    with pytest.raises(StoreError, match="replaced"):
        a[...]


def test_zip_file_on_a_web_server(folder):
    pytest.importorskip("obstore")
    with web_server(folder) as web:
        a = exzarr.open(f"{web.url}/x.zip|zip:|zarr3:g/a")
        assert np.array_equal(a[2:5], DATA[2:5])


def test_zip_file_in_a_bucket(folder, s3_server):
    store = s3_server.store("data")
    store.put("x.zip", (folder / "x.zip").read_bytes())
    a = exzarr.open(f"{store.url}/x.zip|zip:|zarr3:g/a", storage_options=s3_server.options())
    assert np.array_equal(a[...], DATA)
    assert a.store.traits.concurrency == 64
