"""`storage_options` by the names of fsspec, boto3 and obstore."""

from __future__ import annotations

import pytest

import exzarr
from exzarr.errors import ArgumentError
from exzarr.stores import AzureOptions, GCSOptions, HTTPOptions, MemoryStore, S3Options, resolve_store
from exzarr.stores.url_options import object_arguments

pytest.importorskip("obstore")

SECRET = "do-not-show-me"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"anon": True}, S3Options(anonymous=True)),
        ({"anonymous": "true"}, S3Options(anonymous=True)),
        ({"skip_signature": True}, S3Options(anonymous=True)),
        ({"key": "k", "secret": "s", "token": "t"},
         S3Options(access_key_id="k", secret_access_key="s", session_token="t")),
        ({"aws_access_key_id": "k", "AWS_REGION": "eu-west-1"}, S3Options(access_key_id="k", region="eu-west-1")),
        ({"endpoint_url": "http://h:9"}, S3Options(endpoint="http://h:9")),
        ({"client_kwargs": {"endpoint_url": "http://h:9", "region_name": "r"}},
         S3Options(endpoint="http://h:9", region="r")),
        ({"client_kwargs": '{"endpoint_url": "http://h:9"}'}, S3Options(endpoint="http://h:9")),
        ({"client_options": {"timeout": "5s", "allow_http": True}}, S3Options(timeout=5.0, allow_http=True)),
        ({"use_ssl": False}, S3Options(allow_http=True)),
        ({"use_ssl": "true"}, S3Options()),
        ({"requester_pays": "yes"}, S3Options(requester_pays=True)),
        ({"config_kwargs": {"s3": {"addressing_style": "virtual"}}}, S3Options(virtual_hosted=True)),
        ({"timeout": "2.5"}, S3Options(timeout=2.5)),
        ({"access_key_id": "00123"}, S3Options(access_key_id="00123")),
        (S3Options(region="r"), S3Options(region="r")),
    ],
)  # fmt: skip
def test_options_of_s3(given, wanted):
    assert object_arguments("s3", given) == {"options": wanted}


@pytest.mark.parametrize(
    ("scheme", "given", "wanted"),
    [
        ("gs", {"token": "anon"}, GCSOptions(anonymous=True)),
        ("gs", {"token": "/key.json"}, GCSOptions(service_account="/key.json")),
        ("gs", {"token": {"a": 1}}, GCSOptions(service_account_key='{"a": 1}')),
        ("gs", {"google_service_account": "/k"}, GCSOptions(service_account="/k")),
        ("az", {"account_name": "a", "account_key": "k"}, AzureOptions(account="a", account_key="k")),
        ("abfss", {"azure_storage_account_name": "a", "use_emulator": "1"}, AzureOptions(account="a", emulator=True)),
        ("https", {"headers": {"X": "y"}}, HTTPOptions(headers={"X": "y"})),
        ("https", {"headers": '{"X": "y"}'}, HTTPOptions(headers={"X": "y"})),
        ("https", {"client_kwargs": {"headers": {"X": "y"}}}, HTTPOptions(headers={"X": "y"})),
    ],
)  # fmt: skip
def test_options_of_the_other_stores(scheme, given, wanted):
    assert object_arguments(scheme, given) == {"options": wanted}


def test_arguments_of_the_store_are_passed_to_it():
    found = object_arguments("s3", {"single_writer": "true", "concurrency": "7", "region": "r"})
    assert found == {"options": S3Options(region="r"), "single_writer": True, "concurrency": 7}
    for absent in ("403", (403,), [403]):
        given = object_arguments("https", {"absent": absent})
        assert exzarr.stores.ObjectStore("https://host/x", **given).absent == (403,)
    assert object_arguments("https", {"absent": "403,410"})["absent"] == (403, 410)


@pytest.mark.parametrize(
    ("scheme", "given", "message"),
    [
        ("s3", {"anonn": True}, "has no option 'anonn'; did you mean 'anon'?"),
        ("s3", {"endpoint_urll": "x"}, "did you mean 'endpoint_url'?"),
        ("s3", {"client_kwargs": {"region_nam": "x"}}, "did you mean 'region_name'?"),
        ("s3", {"xyzzy": 1}, "there are a"),
        ("s3", {"key": "a", "access_key_id": "b"}, "access_key_id twice"),
        ("s3", {"timeout": SECRET}, "timeout has the type float"),
        ("s3", {"anon": "perhaps"}, "anonymous has the type bool"),
        ("s3", {"client_kwargs": "x"}, "client_kwargs holds options by name"),
        ("s3", {"config_kwargs": {"retries": 3}}, "addressing_style"),
        ("gs", {"token": "google_default"}, "GOOGLE_APPLICATION_CREDENTIALS"),
        ("https", {"region": "x"}, "a https:// URL has no option 'region'"),
    ],
)  # fmt: skip
def test_unknown_option_raises_and_is_named(scheme, given, message):
    with pytest.raises(ArgumentError, match="storage_options") as caught:
        object_arguments(scheme, given)
    assert message in str(caught.value)
    assert SECRET not in str(caught.value)


def test_typed_options_of_another_store_are_refused():
    with pytest.raises(ArgumentError, match="S3Options"):
        resolve_store("gs://bucket/x", storage_options=S3Options())


@pytest.mark.parametrize(
    "kind", ["path", "Path", "zip", "file", "memory", "sqlite", "store", "none", "obstore"]
)
def test_stores_that_take_no_options_refuse_them(tmp_path, kind):
    import obstore.store

    place = {
        "path": str(tmp_path / "a.zarr"),
        "Path": tmp_path / "a.zarr",
        "zip": str(tmp_path / "a.zip"),
        "file": (tmp_path / "a.zarr").as_uri(),
        "memory": "memory://somewhere",
        "sqlite": f"sqlite://{tmp_path}/a.sqlite",
        "store": MemoryStore(),
        "none": None,
        "obstore": obstore.store.MemoryStore(),
    }[kind]
    for make in (
        lambda **more: exzarr.create_array(place, shape=3, dtype="i4", **more),
        lambda **more: exzarr.open_group(place, mode="a", **more),
    ):
        with pytest.raises(ArgumentError, match=r"storage_options \(anon\) are for URLs"):
            make(storage_options={"anon": True})
    assert [*tmp_path.iterdir()] == []
    for empty in (None, {}):  # as xarray passes them
        exzarr.create_group(place, overwrite=True, storage_options=empty).store.close()


def test_options_of_fsspec_are_passed_to_the_file_system():
    pytest.importorskip("fsspec")
    options = {"auto_mkdir": True, "single_writer": "true"}
    store, inside = resolve_store("local:///tmp", storage_options=options)
    assert inside == ""
    assert store.single_writer is True
    assert store._fs.auto_mkdir is True
