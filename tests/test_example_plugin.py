"""The example of a plug-in installs into an environment of its own, and passes its tests there."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "exzarr-plugin"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="the store of the example requires file locks of POSIX"),
]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a new environment with the example, above the packages of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    found = folder / "bin" / "python"
    purelib = subprocess.check_output(
        [found, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True
    )
    here = sysconfig.get_path("purelib")
    (Path(purelib.strip()) / "layered.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    if subprocess.run(
        [sys.executable, "-m", "pip", "--version"], capture_output=True, check=False
    ).returncode:
        pytest.skip("pip is not installed")
    command = [
        str(found),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
    ]
    done = subprocess.run([*command, str(EXAMPLE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return found


def test_the_example_passes_its_tests(python: Path) -> None:
    command = [str(python), "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=EXAMPLE, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_lists_the_example(python: Path) -> None:
    done = subprocess.run(
        [python, "-m", "exzarr", "plugins", "--load"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "acq.quantize" in done.stdout
    assert "exzarr-acq 1.0 (exzarr_acq.store:open_url)" in done.stdout
