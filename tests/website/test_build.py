"""The whole site with one notebook and all documents: complete, offline, and without browser errors."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("marimo", reason="the notebooks need marimo: pip install 'exzarr[gallery]'")

from exzarr.gallery.catalog import find
from tests.gallery.browser import chromium, new_page
from website.build import build
from website.pages import Site

NAME = "01_01_first_zarr_array"
VOID = set("area base br col embed hr img input link meta source track wbr".split())


class Page(HTMLParser):
    """Links, resources, anchors and unclosed tags of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.resources: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.tags: list[str] = []
        self.without_alt = 0
        self.open: list[str] = []
        self.misfits: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if given.get("id"):
            self.anchors.add(str(given["id"]))
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        self.resources += [
            str(given[name]) for name in ("src", "srcset", "poster", "data") if given.get(name)
        ]
        if tag == "link":
            self.resources.append(str(given["href"]))
        self.without_alt += tag == "img" and "alt" not in given
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.misfits.append(tag)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    folder.mkdir()
    (folder / "left-over.html").write_text("an old page")
    whole = Site.of_repository()
    build(folder, Site((find(NAME),), whole.documents), report=lambda _: None)
    return folder


def pages(site: Path) -> Iterator[tuple[Path, Page]]:
    for path in sorted(site.rglob("*.html")):
        yield path, Page(path)


def test_every_document_has_a_page_and_old_pages_are_removed(site: Path) -> None:
    names = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    documents = {str(Site.of_repository().address(path)) for path in Site.of_repository().documents}
    assert names == {"index.html", f"notebooks/{NAME}.html", *documents}


def test_pages_are_valid_and_pictures_have_alt_texts(site: Path) -> None:
    for path, page in pages(site):
        assert (page.misfits, page.open) == ([], []), path
        assert page.tags.count("h1") == 1, path
        assert page.without_alt == 0, path


def test_pages_fetch_nothing_and_run_no_scripts(site: Path) -> None:
    for path, page in pages(site):
        assert [
            one for one in page.resources if not one.startswith("data:image/") and urlsplit(one).scheme
        ] == [], path
        assert not {"script", "iframe", "object", "embed"} & {*page.tags}, path
        assert not [tag for tag in page.tags if tag.startswith("marimo")], path
    style = (site / "style.css").read_text(encoding="utf-8")
    assert "url(" not in style
    assert "@import" not in style


def test_links_lead_to_existing_pages_and_anchors(site: Path) -> None:
    known = {path.resolve(): page for path, page in pages(site)}
    wrong = []
    for path, page in known.items():
        for link in [*page.links, *page.resources]:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not there.is_file() or (parts.fragment and parts.fragment not in known[there].anchors):
                wrong.append(f"{path.name}: {link}")
    assert wrong == []


def test_front_page_links_notebook_picture_article_and_all_guides(site: Path) -> None:
    page = Page(site / "index.html")
    assert f"notebooks/{NAME}.html" in page.links
    assert "articles/01-first-zarr-array.html" in page.links
    assert f"notebooks/figures/{NAME}/window.svg" in page.resources
    guides = {f"guides/{path.stem}.html" for path in Site.of_repository().guides}
    assert guides
    assert guides <= {*page.links}


def test_notebook_page_has_figures_checks_and_controls(site: Path) -> None:
    text = (site / "notebooks" / f"{NAME}.html").read_text(encoding="utf-8")
    assert text.count('<img class="exzarr-figure"') == 3
    assert "<li>zarr-python reads the same values</li>" in text
    assert "exzarr gallery open" in text
    assert text.count('class="control"') == 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_browser_shows_the_site_offline(site: Path, scheme: str) -> None:
    chromium()
    messages: list[str] = []
    with new_page(color_scheme=scheme, offline=True) as page:
        page.on("console", lambda message: messages.append(message.text))
        page.on("requestfailed", lambda request: messages.append(request.url))
        page.goto((site / "index.html").as_uri())
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, ground[4:-1].split(","))) > 3 * 128) == (scheme == "light")
        page.get_by_role("link", name="Your first Zarr array").first.click()
        page.wait_for_url(f"**/notebooks/{NAME}.html")
        pictures = page.locator("img.exzarr-figure")
        assert pictures.count() == 3
        assert pictures.evaluate_all("all => all.every(one => one.complete && one.naturalWidth > 100)")
        # Wide elements scroll inside the page, also on a phone.
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert messages == []
