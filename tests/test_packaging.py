"""Contents, dependencies and import time of the package."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from email.message import Message
from email.parser import Parser
from importlib import metadata
from pathlib import Path

import pytest

import exzarr

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "exzarr"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]

RunPython = Callable[..., subprocess.CompletedProcess[str]]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!;~ ]", requirement)[0] for requirement in requirements}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def read_metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def test_wheel_contains_only_the_package_and_its_notebooks(wheel: Path) -> None:
    sources = {
        f"exzarr/{path.relative_to(top).as_posix()}"
        for top, below in ((PACKAGE, PACKAGE), (ROOT, ROOT / "notebooks"))
        for path in below.rglob("*")
        if path.is_file() and not {"__pycache__", "__marimo__"} & {*path.parts}
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == sources
    assert "exzarr/py.typed" in packed


def test_wheel_runs_on_every_platform(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")


def test_wheel_metadata(wheel: Path) -> None:
    packed = read_metadata(wheel)
    assert packed["Name"] == "exzarr"
    assert packed["Version"] == exzarr.__version__
    assert packed["Requires-Python"] == ">=3.11"
    assert packed["License-Expression"] == "MIT"
    assert set(packed.get_all("Provides-Extra", [])) == set(EXTRAS)


def test_installed_version_equals_the_source_version() -> None:
    assert metadata.version("exzarr") == exzarr.__version__


def test_required_dependencies_are_few() -> None:
    assert names(PROJECT["dependencies"]) == {"numpy", "numcodecs", "zstandard", "google-crc32c", "deflate"}


def test_extra_all_contains_every_other_extra() -> None:
    (everything,) = EXTRAS["all"]
    listed = re.fullmatch(r"exzarr\[(.*)\]", everything)
    assert listed is not None
    assert set(listed[1].split(",")) == set(EXTRAS) - {"all"}


def test_extras_named_in_messages_exist() -> None:
    documents = [*PACKAGE.rglob("*.py"), *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    named = {
        (extra, path.name)
        for path in documents
        for group in re.findall(r"exzarr\[([a-z,]+)\]", path.read_text(encoding="utf-8"))
        for extra in group.split(",")
    }
    assert {(extra, where) for extra, where in named if extra not in EXTRAS} == set()


def test_import_does_not_load_optional_modules(run_python: RunPython) -> None:
    source = """
import sys, numpy
before = set(sys.modules)
import exzarr
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""
    done = run_python(source)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    on_first_use = {
        "asyncio", "concurrent", "deflate", "google_crc32c", "importlib_metadata", "ml_dtypes", "multiprocessing",
        "numcodecs", "rich", "ssl", "tensorstore", "typer", "zarr", "zipfile", "zstandard",
    }  # fmt: skip
    assert "exzarr" in loaded
    assert loaded & on_first_use == set()


def test_every_public_name_exists() -> None:
    assert sorted(set(exzarr.__all__)) == sorted(exzarr.__all__)
    assert [name for name in exzarr.__all__ if not hasattr(exzarr, name)] == []
    assert set(exzarr.__all__) <= set(dir(exzarr))


@pytest.mark.parametrize("absent", ["typer", "rich"])
def test_command_without_its_extra_names_the_extra(run_python: RunPython, absent: str) -> None:
    source = """
import sys
sys.modules[sys.argv[1]] = None  # import fails
sys.argv[1:] = ["info", "."]
from exzarr._cli import main
sys.exit(main())
"""
    done = run_python(source, absent)
    assert done.returncode == 3
    assert done.stdout == ""
    assert "exzarr[cli]" in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


def test_command_is_installed() -> None:
    (command,) = metadata.entry_points(group="console_scripts", name="exzarr")
    assert command.value == "exzarr._cli:main"


def test_no_file_names_a_registry_or_mirror() -> None:
    configured = [ROOT / name for name in ("pyproject.toml", "Makefile", ".ci/run")]
    configured += [*(ROOT / "tests" / "js").glob("*.json"), ROOT / "tests" / "js" / ".npmrc"]
    urls = [(path.name, url) for path in configured for url in re.findall(r"https?://\S+", path.read_text())]
    assert urls == []


def test_tests_mirror_the_rooms_of_the_package() -> None:
    """A folder of tests has the name of a room (without the underscore) or of a kind of test."""
    kinds = {"azurite", "corpus", "crash", "fuzz", "interop", "js", "typing", "website"}
    rooms = {
        path.relative_to(PACKAGE).as_posix().removeprefix("_") for path in PACKAGE.rglob("*") if path.is_dir()
    }
    folders = {
        path.parent.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")
    }
    assert {folder for folder in folders if folder.partition("/")[0] not in kinds} - {"."} <= rooms
