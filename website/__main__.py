"""Update the articles (``python -m website articles [NAME ...]``) or write the site (``python -m website build``)."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from exzarr.gallery.catalog import find
from website.articles import Article, articles, filled
from website.build import build
from website.running import run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m website", description=__doc__)
    commands = parser.add_subparsers(required=True)
    some = commands.add_parser(
        "articles", help="run notebooks, and update the numbers and figures of their articles"
    )
    some.add_argument("names", nargs="*", help="names of notebooks (default: all)")
    some.set_defaults(do=lambda given: update_articles(given.names))
    site = commands.add_parser("build", help="run all notebooks, and write the site")
    site.add_argument(
        "--output", type=Path, default=Path("build/site"), help="folder of the site (default: build/site)"
    )
    site.add_argument("--jobs", type=int, default=2, help="notebooks that run concurrently (default: 2)")
    site.set_defaults(do=lambda given: build(given.output, jobs=given.jobs))
    given = parser.parse_args()
    given.do(given)


def update_articles(names: list[str]) -> None:
    """Run the notebooks `names` (default: all that have an article) and update their articles."""
    wanted = {find(name).name for name in names}
    for article in articles():
        if not wanted or article.notebook in wanted:
            update(article)


def update(article: Article) -> None:
    """Run the notebook of `article`, write its numbers between the markers, and save its figures."""
    started = time.perf_counter()
    done = run(find(article.notebook).path)
    if done.code:
        sys.exit(f"{article.notebook} failed:\n{done.output}")
    article.path.write_text(filled(article, done), encoding="utf-8")
    figures = article.path.parent / "figures" / article.path.stem
    figures.mkdir(parents=True, exist_ok=True)
    for old in figures.glob("*.svg"):
        old.unlink()
    for name, svg in done.figures.items():
        (figures / f"{name}.svg").write_text(svg, encoding="utf-8")
    print(f"{article.path.name}: {len(done.checks)} checks, {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
