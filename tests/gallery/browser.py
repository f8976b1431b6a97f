"""Headless Chromium of the system. playwright does not download a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
).split()


def chromium() -> str:
    """Return the path of Chromium, or skip the test."""
    named = os.environ.get("EXZARR_TEST_CHROMIUM")
    found = named or next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium is installed (apt-get install chromium) or named by EXZARR_TEST_CHROMIUM")
    return found


@contextmanager
def new_page(**options: Any) -> Iterator[Any]:
    """Open a page in a new browser, and close the browser at the end. `options` are for playwright's context."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="the browser is driven by playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            page = browser.new_context(**options).new_page()
            page.set_default_timeout(120_000)
            yield page
        finally:
            browser.close()
