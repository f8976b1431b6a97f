"""``exzarr serve``: options, errors, and its end. The tests in ``tests/serve`` use a server of this command."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import exzarr
from exzarr._cli.app import app

pytestmark = pytest.mark.slow


def failure(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["serve", *map(str, arguments)])
    return result.exit_code, result.stderr


def test_server_for_writing_on_every_address_ends_by_ctrl_c(tmp_path: Path) -> None:
    arguments = [
        "a.zarr",
        "--write",
        "--host",
        "0.0.0.0",
        "--port",
        "0",
        "--max-upload",
        "300MiB",  # more than the default memory
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "exzarr", "serve", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        shown = ""
        while "writable" not in shown and (line := process.stdout.readline()):  # the last line
            shown += line
        match = re.match(r"Serving file://\S+/a\.zarr at http://[^:]+:(\d+)/(\S{32})\n", shown)
        assert match is not None, shown
        url = f"http://127.0.0.1:{match[1]}/{match[2]}"
        group = exzarr.open_group(url, mode="a", storage_options={"writable": True})
        group["a"] = np.arange(1000)
        assert exzarr.open_array(tmp_path / "a.zarr", path="a")[5] == 5
        with pytest.raises(urllib.error.HTTPError, match="401") as caught:
            urllib.request.urlopen(f"http://127.0.0.1:{match[1]}/zarr.json")
        caught.value.close()
    finally:
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (0, "", "")
    assert "exzarr, for writing" in shown


def test_errors_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    assert failure(tmp_path)[0] == 3
    assert failure(tmp_path, "--write")[0] == 3
    exzarr.save(tmp_path / "a.zarr", np.arange(3))
    for wrong, text in (
        (["--write", "--consolidate"], "leave out write or consolidate"),
        (["--port", "70000"], "65535"),
        (["--host", "192.0.2.1"], "192.0.2.1"),
        (["--token", "x"], "8 to 200"),
        (["--cors", "viewer"], "not an origin"),
        (["--max-upload", "1MiB"], "--max-upload requires --write"),
    ):
        code, message = failure(tmp_path / "a.zarr", *wrong)
        assert (code, message.count("\n")) == (2, 1), message
        assert text in message
