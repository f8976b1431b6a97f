"""All functions that take a URL take `storage_options`; tested against an S3 server."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import zarr
from typer.testing import CliRunner

import exzarr
from exzarr._cli.app import app
from exzarr.errors import ArgumentError
from tests.object_servers import KEY_ID, SECRET

pytest.importorskip("obstore")
DATA = np.arange(12, dtype="i4").reshape(3, 4)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove environment variables, so that only the options lead to the server."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bucket(s3_server: Any) -> str:
    return f"s3://{s3_server.make_bucket()}"


@pytest.fixture
def options(s3_server: Any) -> dict[str, Any]:
    """Return options in the form of s3fs."""
    return {
        "key": KEY_ID,
        "secret": SECRET,
        "client_kwargs": {"endpoint_url": s3_server.endpoint, "region_name": "us-east-1"},
    }


def test_opening_and_creating_functions_take_storage_options(bucket: str, options: dict[str, Any]) -> None:
    more: Any = {"storage_options": options}
    exzarr.create_array(f"{bucket}/a", data=DATA, **more)
    assert (np.asarray(exzarr.open(f"{bucket}/a", mode="r", **more)) == DATA).all()
    assert (exzarr.open_array(f"{bucket}/a", **more)[...] == DATA).all()
    exzarr.create_group(f"{bucket}/g", **more)
    group = exzarr.open_group(f"{bucket}/g", mode="a", **more)
    group["x"] = DATA
    exzarr.consolidate_metadata(f"{bucket}/g", **more)
    assert (np.asarray(exzarr.open_consolidated(f"{bucket}/g", **more)["x"]) == DATA).all()
    assert "x" in str(exzarr.tree(f"{bucket}/g", **more))
    assert exzarr.group(f"{bucket}/g", **more).path == group.path
    made = dict(
        exzarr.create_hierarchy(
            store=f"{bucket}/h", nodes={"a": exzarr.array_metadata(shape=3, dtype="i4")}, **more
        )
    )
    assert "a" in made
    for number, make in enumerate((exzarr.zeros, exzarr.ones, exzarr.empty)):
        assert make((2,), store=f"{bucket}/n{number}", **more).shape == (2,)
    assert exzarr.full((2,), 7, store=f"{bucket}/full", **more)[0] == 7
    assert exzarr.array(DATA, store=f"{bucket}/array", **more)[2, 3] == 11
    assert exzarr.from_array(f"{bucket}/from", data=DATA, **more)[2, 3] == 11
    assert exzarr.zeros_like(DATA, store=f"{bucket}/like", **more).shape == DATA.shape
    assert exzarr.open_like(DATA, f"{bucket}/a", **more)[2, 3] == 11
    assert exzarr.open_like(DATA, f"{bucket}/new", **more).shape == DATA.shape


def test_save_and_load_take_storage_options(bucket: str, options: dict[str, Any]) -> None:
    more: Any = {"storage_options": options}
    exzarr.save(f"{bucket}/one", DATA, **more)
    assert (exzarr.load(f"{bucket}/one", **more) == DATA).all()
    exzarr.save(f"{bucket}/two", DATA, named=DATA + 1, **more)
    loaded = exzarr.load(f"{bucket}/two", **more)
    assert sorted(loaded) == ["arr_0", "named"]
    exzarr.save_array(f"{bucket}/three", DATA, **more)
    exzarr.save_group(f"{bucket}/four", x=DATA, **more)
    assert (exzarr.load(f"{bucket}/three", **more) == exzarr.load(f"{bucket}/four", **more)["x"]).all()


def test_tools_take_storage_options(bucket: str, options: dict[str, Any], tmp_path: Any) -> None:
    more: Any = {"storage_options": options}
    zarr.create_array(tmp_path / "a", data=DATA, chunks=(2, 2))
    exzarr.copy(tmp_path / "a", f"{bucket}/a", **more)  # the options apply to the URL of the two
    exzarr.copy(f"{bucket}/a", tmp_path / "back", **more)
    exzarr.copy(f"{bucket}/a", f"{bucket}/b", **more)
    exzarr.copy(f"{bucket}/a", f"{bucket}/c", storage_options=options, destination_options=options)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "back")[...], DATA)
    assert exzarr.check(f"{bucket}/a", deep=True, **more).ok
    wanted = exzarr.checksum(tmp_path / "a").hexdigest
    assert all(exzarr.checksum(f"{bucket}/{name}", **more).hexdigest == wanted for name in "abc")
    exzarr.convert(f"{bucket}/a", 2, destination=tmp_path / "v2", **more)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "v2")[...], DATA)
    exzarr.convert(f"{bucket}/b", 2, **more)
    assert exzarr.open(f"{bucket}/b", mode="r", **more).zarr_format == 2
    plan = exzarr.check(f"{bucket}/c", **more).plan()
    assert exzarr.repair(f"{bucket}/c", plan, **more).ok
    assert exzarr.lab.codecs(f"{bucket}/a", only=["zstd"], seconds=0.1, **more).trials


def test_options_without_url_are_refused_and_nothing_is_copied(
    options: dict[str, Any], tmp_path: Any
) -> None:
    exzarr.create_array(tmp_path / "a", data=DATA)
    open_array = exzarr.open(tmp_path / "a")
    for refused in (
        lambda: exzarr.copy(tmp_path / "a", tmp_path / "b", storage_options=options),
        lambda: exzarr.copy(tmp_path / "a", tmp_path / "b", destination_options=options),
        lambda: exzarr.copy(open_array, tmp_path / "b", storage_options=options),
        lambda: exzarr.convert(tmp_path / "a", 2, destination_options=options),
        lambda: exzarr.check(open_array, storage_options=options),
        lambda: exzarr.checksum(tmp_path / "a", storage_options=options),
        lambda: exzarr.consolidate_metadata(exzarr.group(), storage_options=options),
        lambda: exzarr.tree(exzarr.group(), storage_options=options),
        lambda: exzarr.virtualize(tmp_path / "x.h5", storage_options=options),
        lambda: exzarr.lab.codecs(DATA, storage_options=options),
    ):
        with pytest.raises(ArgumentError, match="storage_options"):
            refused()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a"]


def test_references_take_allow_and_storage_options(
    bucket: str, options: dict[str, Any], tmp_path: Any
) -> None:
    store = exzarr.create_array(
        f"{bucket}/a", data=DATA, chunks=DATA.shape, compressors=None, storage_options=options
    ).store
    document = bytes(store.get("zarr.json") or b"").decode()
    references = {"version": 1, "refs": {"zarr.json": document, "c/0/0": [f"{bucket}/a/c/0/0"]}}
    path = tmp_path / "refs.json"
    path.write_text(json.dumps(references))
    found: Any = exzarr.open(path, storage_options={"allow": [f"{bucket}/"], **options})
    np.testing.assert_array_equal(found[...], DATA)
    found = exzarr.open(str(path), storage_options={"allow": f"{bucket}/", "remote_options": options})
    np.testing.assert_array_equal(found[...], DATA)
    with pytest.raises(ArgumentError, match="may not lead to URLs"):
        exzarr.open(path, storage_options=options)


def test_virtualize_reads_files_at_urls(
    bucket: str, options: dict[str, Any], tmp_path: Any, s3_server: Any
) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("x", data=np.arange(1000), chunks=(500,))
    store = exzarr.create_group(f"{bucket}/other", storage_options=options).store
    exzarr.stores.ObjectStore(bucket, options=s3_server.options()).put(
        "a.h5", (tmp_path / "a.h5").read_bytes()
    )
    assert store is not None
    found: Any = exzarr.virtualize(f"{bucket}/a.h5", storage_options=options)
    np.testing.assert_array_equal(found["x"][...], np.arange(1000))


# -- the command line ------------------------------------------------------------------


def invoke(*arguments: Any, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


def typed(options: dict[str, Any]) -> list[str]:
    """Return the options as arguments of a command line."""
    endpoint = options["client_kwargs"]["endpoint_url"]
    pairs = {
        "key": options["key"],
        "secret": options["secret"],
        "endpoint_url": endpoint,
        "region": "us-east-1",
    }
    return [part for name, value in pairs.items() for part in ("--option", f"{name}={value}")]


def test_every_command_takes_storage_options(bucket: str, options: dict[str, Any], tmp_path: Any) -> None:
    zarr.create_array(tmp_path / "a", data=DATA, chunks=(2, 2))
    more = typed(options)
    invoke("copy", tmp_path / "a", f"{bucket}/a", *more)
    place = f"{bucket}/a"
    assert json.loads(invoke("info", place, *more, "--json").stdout)["shape"] == [3, 4]
    assert "int32" in invoke("tree", place, *more).stdout
    assert json.loads(invoke("head", place, *more, "--json").stdout)["values"] == DATA.tolist()
    assert "no problems found" in invoke("check", place, *more, "--deep").stdout
    digest = invoke("checksum", tmp_path / "a").stdout.split()[0]
    assert invoke("checksum", place, *more).stdout.split()[0] == digest
    invoke("convert", place, tmp_path / "v2", "--to", 2, *more)
    np.testing.assert_array_equal(zarr.open_array(tmp_path / "v2")[...], DATA)
    both = [one.replace("--option", "--to-option") for one in more]
    invoke("copy", place, f"{bucket}/b", *more, *both)
    invoke("lab", "codecs", place, "--only", "zstd", "--seconds", "0.1", *more)
    invoke("lab", "chunks", place, "-a", "scan", "--measure", "0", *more)


def test_unknown_option_prints_one_line_with_the_nearest_option(tmp_path: Any) -> None:
    said = invoke("info", "s3://bucket/x", "-o", "regiom=x", code=2).stderr
    assert "no option 'regiom'; did you mean 'region'?" in said
    assert "KEY=VALUE" in invoke("info", "s3://bucket/x", "-o", "region", code=2).stderr
    assert "given twice" in invoke("info", "s3://b/x", "-o", "region=a", "-o", "region=b", code=2).stderr
    exzarr.create_array(tmp_path / "a", data=DATA)
    said = invoke("info", tmp_path / "a", "--anon", code=2).stderr
    assert "--option (anon) are for URLs" in said
    assert "storage_options" not in said


def test_references_are_read_with_allow(tmp_path: Any) -> None:
    h5py = pytest.importorskip("h5py")
    (tmp_path / "far").mkdir()
    (tmp_path / "refs").mkdir()
    with h5py.File(tmp_path / "far" / "a.h5", "w") as file:
        file.create_dataset("x", data=np.arange(1000), chunks=(500,))
    references = tmp_path / "refs" / "a.json"
    invoke("virtualize", tmp_path / "far" / "a.h5", "-o", references, "--inline", 0)
    allowed = invoke("head", f"{references}/x", "--allow", tmp_path / "far", "--json")
    assert json.loads(allowed.stdout)["values"] == [*range(8)]
