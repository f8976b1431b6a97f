"""Builder of the site: every notebook with its output, the articles, the guides, and an index.

The site is a folder of plain files. It needs no network and no server: links are relative, styles and pictures are in
the folder, and there are no scripts.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import exzarr
from exzarr.gallery.catalog import Notebook, theme_title
from website import notebook_page
from website.articles import Article, articles
from website.markdown import code_styles, first_sentence, headings, render
from website.pages import DOCS, ROOT, Site, read_title, relative
from website.running import Run, export

__all__ = ["build"]

HERE = Path(__file__).parent
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Tutorial:
    """A notebook, its run, and its article, if it has one."""

    notebook: Notebook
    run: Run
    article: Article | None

    @property
    def cover(self) -> str | None:
        """Name of the figure that represents the tutorial."""
        chosen = self.article.cover if self.article else None
        return chosen if chosen in self.run.figures else next(iter(self.run.figures), None)


def build(folder: Path, site: Site | None = None, *, jobs: int = 2, report: Report = print) -> None:
    """Run all notebooks and replace `folder` with the site.

    Parameters
    ----------
    folder
        Folder of the site. Its existing content is deleted.
    site
        Sources of the site (default: those of this repository).
    jobs
        Number of notebooks that run concurrently.
    report
        Function that receives a line of progress.

    Raises
    ------
    SystemExit
        If a notebook fails.
    """
    site = site or Site.of_repository()
    by_notebook = {one.notebook: one for one in articles()}
    with ThreadPoolExecutor(jobs) as pool:
        runs = pool.map(lambda one: _exported(one, report), site.notebooks)
        tutorials = [
            Tutorial(one, run, by_notebook.get(one.name))
            for one, run in zip(site.notebooks, runs, strict=True)
        ]
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / "style.css").write_text(
        (HERE / "static" / "style.css").read_text(encoding="utf-8") + code_styles(), encoding="utf-8"
    )
    shutil.copyfile(HERE / "static" / "icon.svg", folder / "icon.svg")
    for asset in [path for path in DOCS.rglob("*") if site.address(path) and path not in site.documents]:
        _write(folder / str(site.address(asset)), asset.read_bytes())
    for tutorial in tutorials:
        _notebook(folder, site, tutorial)
    for document in site.documents:
        _document(folder, site, document, tutorials)
    _index(folder, site, tutorials)
    report(f"{folder / 'index.html'}: {len(tutorials)} notebooks, {len(site.documents)} documents")


def _exported(notebook: Notebook, report: Report) -> Run:
    done = export(notebook.path)
    if done.code or not done.cells:
        sys.exit(f"{notebook.name} failed:\n{done.output}")
    report(f"{notebook.name} ran")
    return done


# -- pages -----------------------------------------------------------------------------


def _notebook(folder: Path, site: Site, tutorial: Tutorial) -> None:
    notebook, run = tutorial.notebook, tutorial.run
    address = site.address(notebook.path)
    assert address is not None
    for name, svg in run.figures.items():
        _write(folder / "notebooks" / "figures" / notebook.name / f"{name}.svg", svg.encode())
    link = site.link(notebook.path)
    header = notebook.header
    facts = {
        "Goal": header.goal,
        "Data": header.data,
        "Licence": header.licence,
        "Run time": header.run_time,
        "Try next": header.try_next,
    }
    _page(
        folder,
        address,
        "notebook.html",
        title=header.title,
        summary=_inline(header.summary, link),
        theme=theme_title(notebook.theme),
        name=notebook.name,
        facts={name: _inline(text, link) for name, text in facts.items()},
        article=_address_of(site, tutorial.article, address),
        body=notebook_page.body(run.cells, link),
        contents=notebook_page.contents(run.cells),
    )


def _document(folder: Path, site: Site, path: Path, tutorials: Iterable[Tutorial]) -> None:
    address = site.address(path)
    assert address is not None
    text = path.read_text(encoding="utf-8")
    kind = {"guides": "Guide", "articles": "Article", "design": "Design note"}.get(path.parent.name, "")
    source = next((one.notebook.path for one in tutorials if one.article and one.article.path == path), None)
    _page(
        folder,
        address,
        "document.html",
        title=_plain(read_title(text)),
        kind=kind,
        notebook=_relative(site, source, address) if source else None,
        body=render(text, site.link(path)),
        contents=headings(text),
    )


def _index(folder: Path, site: Site, tutorials: list[Tutorial]) -> None:
    here = PurePosixPath("index.html")
    themes = [
        {"title": theme_title(theme), "anchor": theme, "cards": [_card(site, one, here) for one in members]}
        for theme, members in groupby(tutorials, lambda one: one.notebook.theme)
    ]
    guides = [_entry(site, path, here) for path in site.guides]
    more = [_entry(site, path, here) for path in site.documents if path.parent in (DOCS, ROOT)]
    _page(folder, here, "index.html", title="The exzarr gallery", themes=themes, guides=guides, more=more)


def _card(site: Site, tutorial: Tutorial, here: PurePosixPath) -> dict[str, Any]:
    notebook = tutorial.notebook
    return {
        "title": notebook.header.title,
        "summary": _inline(notebook.header.summary, lambda _: None),
        "run_time": notebook.header.run_time,
        "notebook": _relative(site, notebook.path, here),
        "article": _address_of(site, tutorial.article, here),
        "number": int(tutorial.article.path.name[:2]) if tutorial.article else None,
        "cover": f"notebooks/figures/{notebook.name}/{tutorial.cover}.svg" if tutorial.cover else None,
    }


def _entry(site: Site, path: Path, here: PurePosixPath) -> dict[str, str]:
    """Return the title, first sentence and address of a document."""
    text = path.read_text(encoding="utf-8")
    return {
        "title": _plain(read_title(text)),
        "summary": _inline(first_sentence(text), lambda _: None),
        "address": _relative(site, path, here),
    }


def _relative(site: Site, path: Path, here: PurePosixPath) -> str:
    there = site.address(path)
    assert there is not None, path
    return relative(there, here)


def _address_of(site: Site, article: Article | None, here: PurePosixPath) -> str | None:
    return _relative(site, article.path, here) if article else None


def _inline(text: str, link: Callable[[str], str | None]) -> str:
    return render(text, link).strip().removeprefix("<p>").removesuffix("</p>")


def _plain(text: str) -> str:
    return text.replace("`", "").replace("*", "")


def _page(folder: Path, address: PurePosixPath, template: str, **values: Any) -> None:
    made = (
        _templates()
        .get_template(template)
        .render(values, root=lambda path: relative(path, address), version=exzarr.__version__)
    )
    _write(folder / address, made.encode())


@cache
def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
