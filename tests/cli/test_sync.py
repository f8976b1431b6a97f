"""``exzarr sync``: reports, exit status, costs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import exzarr
from exzarr._cli.app import app

RUNNER = CliRunner()


def run(*args, code=0):
    result = RUNNER.invoke(app, [*map(str, args)])
    assert result.exit_code == code, (result.output, result.exception)
    return result.output


@pytest.fixture
def source(tmp_path):
    group = exzarr.create_group(tmp_path / "a.zarr")
    group.create_array("x", data=np.arange(12), chunks=(4,))
    return tmp_path / "a.zarr"


def test_report_is_text_or_json(source, tmp_path):
    assert "created /x: 3 chunks new" in run("sync", source, tmp_path / "b.zarr")
    found = json.loads(run("sync", source, tmp_path / "b.zarr", "--json"))
    assert [node["action"] for node in found["nodes"]] == ["equal", "equal"]
    assert found["complete"] is True
    assert found["costs"] == {}


def test_dry_run_changes_nothing(source, tmp_path):
    out = run("sync", source, tmp_path / "b.zarr", "--dry-run")
    assert "would sync" in out
    assert not (tmp_path / "b.zarr").exists()


def test_delete_removes_what_only_the_target_has(source, tmp_path):
    run("sync", source, tmp_path / "b.zarr")
    exzarr.open_group(tmp_path / "b.zarr", mode="r+").create_array("y", data=np.arange(3))
    assert "only in the target: /y" in run("sync", source, tmp_path / "b.zarr")
    assert "deleted /y" in run("sync", source, tmp_path / "b.zarr", "--delete")
    assert exzarr.diff(source, tmp_path / "b.zarr").equal


def test_skipped_nodes_are_status_1_and_missing_sources_status_3(source, tmp_path):
    (source / "x" / "zarr.json").write_text("{")
    run("sync", source, tmp_path / "b.zarr", code=3)
    assert "left out: x" in run("sync", source, tmp_path / "b.zarr", "--on-error", "skip", code=1)
    run("sync", tmp_path / "missing", tmp_path / "b.zarr", code=3)


@pytest.mark.slow
def test_cost_is_printed_for_stores_with_known_prices(source, s3_server):
    store = s3_server.store()
    options = ["--to-option", f"endpoint={s3_server.endpoint}", "--to-option", "region=us-east-1"]
    options += ["--to-option", "key=AKIDEXAMPLE", "--to-option", "secret=x", "--to-option", "allow_http=true"]
    out = run("sync", source, store.url, "--dry-run", "--internet", *options)
    assert f"cost at {store.url}: at most" in out
    assert "over the internet" in out
    found = json.loads(run("sync", source, store.url, "--json", *options))
    assert found["costs"][store.url]["requests"]["put"] == 5
