"""Command `make peer-tests`: run the tests of the installed zarr-python with its own codec pipeline and with exzarr's.

The source package of zarr-python has the tests; pip downloads it and what they require into ``build/peer-tests``. The
command fails if a test passes with zarr-python's pipeline but not with exzarr's. It takes about fifteen minutes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "peer-tests"
PIPELINES = {
    "zarr-python": "zarr.core.codec_pipeline.BatchedCodecPipeline",
    "exzarr": "exzarr.zarr.CodecPipeline",
}
FILES = """
test_array.py test_indexing.py test_codecs test_codec_pipeline.py test_codec_pipeline_suite.py test_pipeline_parity.py
test_fused_pipeline.py test_fastpath_equivalence.py test_v2.py test_group.py test_resize.py test_unified_chunk_grid.py
test_buffer.py test_properties.py
""".split()
REQUIRED = ["docutils", "numpydoc", "py-cpuinfo", "pytest-asyncio", "pytest-benchmark", "tomlkit"]
EXPECTED = {
    "test_sharding_partial_shard_read__index_chunk_slice_fails": "replaces a private method of zarr-python's shard index",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", help=f"files of zarr-python's tests (default: {' '.join(FILES)})")
    wanted = parser.parse_args().files or FILES
    source = source_package(version("zarr"))
    files = [f"tests/{name}" for name in wanted if (source / "tests" / name).exists()]
    passed = {label: _passed(source, label, path, files) for label, path in PIPELINES.items()}
    lost = sorted(passed["zarr-python"] - passed["exzarr"])
    unexpected = [name for name in lost if name.rpartition("::")[2].partition("[")[0] not in EXPECTED]
    for label, names in passed.items():
        print(f"{len(names)} tests pass with the pipeline of {label}")
    for name in lost:
        reason = EXPECTED.get(name.rpartition("::")[2].partition("[")[0])
        print(f"not with exzarr's: {name}" + (f" (expected: it {reason})" if reason else ""))
    return 1 if unexpected or not passed["exzarr"] else 0


def source_package(release: str) -> Path:
    """Return the folder of the source package, with what its tests require in ``site`` beside it."""
    folder = BUILD / f"zarr-{release}"
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    if not folder.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        package = ["--no-deps", "--no-binary", "zarr", f"zarr=={release}"]
        subprocess.run([*pip, "download", *package, "--dest", str(BUILD)], check=True)
        with tarfile.open(BUILD / f"zarr-{release}.tar.gz") as archive:
            archive.extractall(BUILD, filter="data")
        target = ["--target", str(BUILD / "site"), "--upgrade"]
        subprocess.run([*pip, "install", *target, "--no-deps", *REQUIRED], check=True)
    return folder


def _passed(source: Path, label: str, pipeline: str, files: list[str]) -> set[str]:
    """Run the tests with one pipeline, and return the names of those that pass."""
    report = BUILD / f"{label}.xml"
    report.unlink(missing_ok=True)
    options = [
        "-q",
        "-c",
        "pyproject.toml",
        "-o",
        "addopts=",
        "-p",
        "no:cacheprovider",
        "-p",
        "exzarr.zarr.pipeline",
    ]
    paths = [str(BUILD / "site"), str(ROOT / "src")]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "ZARR_CODEC_PIPELINE__PATH": pipeline,
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        *options,
        "--benchmark-disable",
        f"--junitxml={report}",
        *files,
    ]
    subprocess.run(command, cwd=source, env=environment, check=False)
    cases = ET.parse(report).iter("testcase")
    return {f"{case.get('classname')}::{case.get('name')}" for case in cases if not [*case]}


if __name__ == "__main__":
    sys.exit(main())
