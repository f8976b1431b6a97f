"""The fuzz command finds faults of codecs, and says what it cannot fuzz."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from exzarr.errors import ArgumentError
from exzarr.testing.codec_target import codec_of, codec_target

pytestmark = pytest.mark.slow

CODEC = '''
from dataclasses import dataclass
from typing import ClassVar
from exzarr.codecs._config import Configured
from exzarr.codecs.base import BytesBytesCodec

@dataclass(frozen=True)
class Runs(Configured, BytesBytesCodec):
    """Run-length encoding, which trusts its input."""
    name: ClassVar[str] = "test.runs"
    def encode(self, data):
        return b"".join(bytes([1, byte]) for byte in bytes(data))
    def decode(self, data, size, limit):
        if data[:1] > b"\\xc0":
            raise SystemExit("a fault that is no exception")
        return b"".join(data[i + 1 : i + 2] * data[i] for i in range(0, len(data), 2))
'''


def fuzz(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "exzarr.testing", "fuzz", *arguments, "--seconds", "1", "--seed", "1"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_command_finds_a_fault_and_keeps_the_input(tmp_path: Path) -> None:
    (tmp_path / "my_package.py").write_text(CODEC)
    done = fuzz(tmp_path, "my_package.Runs")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "a fault that is no exception" in done.stderr
    inputs = [*(tmp_path / "fuzz-failures" / "test.runs").iterdir()]
    assert inputs
    target = codec_target(codec_of("zstd", {"level": 1}))
    for path in inputs:
        target.run(path.read_bytes())  # another codec handles them


def test_the_command_accepts_codecs_without_faults(tmp_path: Path) -> None:
    done = fuzz(tmp_path, "gzip", "--config", '{"level": 1}')
    assert done.returncode == 0, done.stderr
    assert "no failures found" in done.stdout
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    "text",
    ["nothing", "no.such.module:Codec", "exzarr.codecs:Nope", "os.path:join", "{", '{"name": 5}', "gzip"],
)
def test_what_is_no_codec_raises_argument_error(text: str) -> None:
    with pytest.raises(ArgumentError):
        codec_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "crc32c",
        "vlen-utf8",
        "exzarr.codecs.packbits.PackBits",
        '{"name": "transpose", "configuration": {"order": [1, 0]}}',
    ],
)
def test_seeds_of_all_kinds_of_codecs_run(text: str) -> None:
    target = codec_target(codec_of(text))
    assert target.seeds
    for seed in target.seeds:
        target.run(seed)
