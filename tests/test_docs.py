"""Tests of the documentation: snippets and commands run, and links and names exist.

The Python blocks of a file run in order, in one namespace and an empty folder. `pycon` blocks run as doctests. In
`console` blocks, the lines that start with ``$ exzarr`` run. The output must equal the documented output (``...``
matches any text).
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import importlib
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import exzarr
from exzarr import config, registry
from exzarr._cli import main

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "exzarr"
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPTIONAL = set(
    "anyio cloudpickle cubed dask distributed fsspec matplotlib ml_dtypes obstore ray rich starlette tensorstore torch typer xarray "
    "zarr".split()
)
"""Optional libraries. Blocks that import a missing one are skipped."""
GENERATED = {ROOT / "docs" / f"benchmarks{name}" for name in (".md", ".png", "-history.md", "-history.png")}
"""Written by ``make bench``."""
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Block:
    """The text between two fences; `line` is the number of its first line."""

    language: str
    text: str
    line: int

    @property
    def missing(self) -> bool:
        """Whether the block requires a library that is not installed."""
        wanted = set(re.findall(r"^(?:>>> )?\s*(?:import|from)\s+(\w+)", self.text, re.MULTILINE))
        if "ray" in wanted and not os.environ.get("EXZARR_TEST_RAY"):  # see `make ray-tests`
            return True
        return any(importlib.util.find_spec(module) is None for module in wanted & OPTIONAL)


def blocks(path: Path) -> Iterator[Block]:
    language: str | None = None
    lines: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith("```"):
            lines.append(line)
        elif language is None:
            language, lines = line[3:].strip(), []
        else:
            yield Block(language, "\n".join(lines) + "\n", number - len(lines))
            language = None
    assert language is None, f"{path} ends inside a block"


# -- snippets --------------------------------------------------------------------------


@pytest.fixture
def _zarr_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore the codec pipeline of zarr-python, which a guide changes."""
    monkeypatch.setenv("ZARR_CODEC_PIPELINE__PATH", "")  # so that it is restored, also to its absence
    monkeypatch.delenv("ZARR_CODEC_PIPELINE__PATH")
    if importlib.util.find_spec("zarr") is None:
        yield
        return
    import zarr

    with zarr.config.set({"codec_pipeline.path": zarr.config.get("codec_pipeline.path")}):
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("_zarr_settings")
@pytest.mark.parametrize("path", GUIDES, ids=name_of)
def test_snippets_and_commands_of_the_page_work(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if any(block.language == "console" for block in blocks(path)):
        pytest.importorskip("typer")
    monkeypatch.chdir(tmp_path)
    # Some figures depend on the number of threads.
    monkeypatch.setattr(config, "_process", config.Config(workers=2))
    # Snippets need a module, because dataclasses look up the module of their definition.
    module = ModuleType("snippets")
    monkeypatch.setitem(sys.modules, "snippets", module)
    namespace = vars(module)
    if importlib.util.find_spec("cloudpickle"):  # other processes cannot import the module
        import cloudpickle

        cloudpickle.register_pickle_by_value(module)
    if os.environ.get("EXZARR_TEST_RAY"):
        import ray.cloudpickle  # its own copy

        ray.cloudpickle.register_pickle_by_value(module)
    for block in blocks(path):
        if block.missing:
            continue
        match block.language:
            case "python":
                run_python_block(path, block, namespace)
            case "pycon":
                run_doctest(path, block, namespace)
            case "console":
                for command, shown in commands(block):
                    run_command(f"{name_of(path)}:{block.line}", command, shown)
        capsys.readouterr()


def run_python_block(path: Path, block: Block, namespace: dict[str, Any]) -> None:
    tree = ast.increment_lineno(ast.parse(block.text), block.line - 1)
    exec(compile(tree, str(path), "exec"), namespace)


def run_doctest(path: Path, block: Block, namespace: dict[str, Any]) -> None:
    test = doctest.DocTestParser().get_doctest(block.text, namespace, path.name, str(path), block.line - 1)
    report: list[str] = []
    runner = doctest.DocTestRunner(Checker(), optionflags=FLAGS)
    result = runner.run(test, out=report.append, clear_globs=False)
    assert not result.failed, "".join(report)
    namespace.update(test.globs)


class Checker(doctest.OutputChecker):
    """Ignores numbers that depend on the compressor."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(sizeless(want), sizeless(got), optionflags)


def sizeless(text: str) -> str:
    return re.sub(
        r"^(\s*(?:to fetch|stored|compression|Bytes stored|Storage ratio)\s+).*",
        r"\1",
        text,
        flags=re.MULTILINE,
    )


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Yield the commands of a console block, each with its documented output."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.replace("\\\n", " ").partition("\n")
        yield command, shown


def run_command(where: str, command: str, shown: str) -> None:
    """Run a command that starts with exzarr. It must fail if the documented output is an error."""
    words = shlex.split(command, comments=True)
    if words[0] != "exzarr":
        assert words[0] in ("make", "pip", "python", "git", "cd"), f"{where}: {command}"
        return
    code, out, error = call_exzarr(words[1:])
    fails = shown.startswith("error:")
    assert bool(code) == fails, f"{where}: {command}\n{out}{error}"
    printed = error if fails else out
    if shown.strip() and not Checker().check_output(shown, printed, FLAGS):
        pytest.fail(f"{where}: {command} prints\n{printed}")


def call_exzarr(arguments: list[str]) -> tuple[int, str, str]:
    """Run the exzarr command in this process, because a new one takes a second to import everything.

    Return the exit status, the output, and the errors.
    """
    out, error = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as around:
        around.enter_context(pytest.MonkeyPatch.context()).setattr(sys, "argv", ["exzarr", *arguments])
        around.enter_context(contextlib.redirect_stdout(out))
        around.enter_context(contextlib.redirect_stderr(error))
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0), out.getvalue(), error.getvalue()


def modules_with_examples() -> list[str]:
    found = []
    for path in sorted(SOURCES.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if ">>> " not in source:
            continue
        nodes = [
            n
            for n in ast.walk(ast.parse(source))
            if isinstance(n, (ast.Module, ast.ClassDef, ast.FunctionDef))
        ]
        if any(">>> " in (ast.get_docstring(node) or "") for node in nodes):
            parts = path.relative_to(SOURCES.parent).with_suffix("").parts
            found.append(".".join(part for part in parts if part != "__init__"))
    return found


@pytest.mark.parametrize("module", modules_with_examples())
def test_examples_in_docstrings_work(module: str) -> None:
    result = doctest.testmod(importlib.import_module(module), optionflags=FLAGS)
    assert result.attempted
    assert not result.failed


@pytest.mark.slow
def test_store_of_the_guide_passes_the_store_suite(tmp_path: Path) -> None:
    path = ROOT / "docs" / "guides" / "stores.md"
    block = next(block for block in blocks(path) if "(exzarr.Store)" in block.text)
    (tmp_path / "test_it.py").write_text(
        f"{block.text}\n"
        "from exzarr.testing.store_suite import StoreSuite\n\n"
        "class TestTableStore(StoreSuite):\n"
        "    pickles = False\n"
        "    def make_store(self, tmp_path):\n"
        "        tmp_path.mkdir(exist_ok=True)\n"
        "        return TableStore(tmp_path / 'data.db')\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# -- links and names -------------------------------------------------------------------


def prose(path: Path) -> str:
    """Return the text of a page without its blocks."""
    return re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Return the anchors of the headings, by GitHub's rules."""
    headings = re.findall(r"^#+ +(.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_relative_links_exist(path: Path) -> None:
    wrong = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        there = (path.parent / target).resolve() if target else path
        if there in GENERATED and not there.exists():
            continue
        if not there.exists() or (anchor and anchor not in anchors(there)):
            wrong.append(link)
    assert not wrong


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_name_of_exzarr_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.name == "007-names.md":  # its first column lists old names
        text = re.sub(r"^\| `exzarr\.[\w.]+` \|", "|", text, flags=re.MULTILINE)
    # Ignore paths and addresses such as `src/exzarr/...` and `.exzarr-tmp`.
    names = set(re.findall(r"(?<![\w./-])exzarr\.([A-Za-z_][\w.]*\w)", text))
    names -= {group.removeprefix("exzarr.") for group in registry.GROUPS}
    assert [name for name in sorted(names) if not resolves(name)] == []


def test_names_in_the_migration_guide_exist() -> None:
    page = (ROOT / "docs" / "guides" / "migrating.md").read_text(encoding="utf-8")
    ours = "".join(line.split(" | ")[1] for line in page.splitlines() if line.startswith("| "))
    kinds = {"a": exzarr.Array, "g": exzarr.Group}
    documented = set(re.findall(r"`([ag])\.(\w+)", ours))
    assert len(documented) > 10
    assert [f"{kind}.{name}" for kind, name in sorted(documented) if not hasattr(kinds[kind], name)] == []


def test_names_listed_as_equal_to_zarr_python_are_equal() -> None:
    page = (ROOT / "docs" / "guides" / "migrating.md").read_text(encoding="utf-8")
    paragraph = page.partition("### The same names")[2].partition("### ")[0]
    names = [*re.findall(r"`([a-z]\w+)`", paragraph)]
    names += [f"{name}_like" for name in ("zeros", "ones", "full", "empty")]
    zarr = pytest.importorskip("zarr")
    assert [name for name in names if not hasattr(exzarr, name) or not hasattr(zarr, name)] == []


def resolves(name: str) -> bool:
    found: Any = exzarr
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            if not isinstance(found, ModuleType):
                return False
            try:
                found = importlib.import_module(f"{found.__name__}.{part}")
            except ModuleNotFoundError:
                return False
    return True


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_make_target_exists(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert (
        set(re.findall(r"(?:`|^\$ )make ([a-z-]+)", path.read_text(encoding="utf-8"), re.MULTILINE))
        <= targets
    )


def test_map_lists_every_room() -> None:
    drawn = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    rooms = [
        entry
        for entry in SOURCES.iterdir()
        if entry.name[:1].isalpha() and (entry.is_dir() or entry.suffix == ".py")
    ]
    names = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in rooms]
    assert [name for name in sorted(names) if name not in drawn] == []


def test_layers_of_nodes_are_those_of_the_import_linter() -> None:
    drawn = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    table = drawn.partition("| layer | modules of `_nodes/` |")[2].partition("\n\n")[0]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (contract,) = [each for each in settings["contracts"] if each.get("containers") == ["exzarr._nodes"]]
    layers = " ".join(contract["layers"]).replace("|", " ").split()
    assert re.findall(r"`(\w+)`", table) == layers


def test_map_lists_only_existing_files() -> None:
    drawn = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    files = set(re.findall(r"(?<![\w*/])((?:\w+/)*\w+\.py)\b", drawn))
    known = {path.as_posix() for path in (*SOURCES.rglob("*.py"), *(ROOT / "tests").rglob("*.py"))}
    for beside in ("benchmarks", "notebooks", "website"):
        known |= {path.as_posix() for path in (ROOT / beside).rglob("*.py")}
    assert [name for name in sorted(files) if not any(path.endswith(f"/{name}") for path in known)] == []
