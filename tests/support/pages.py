"""Fixtures for pages in the system's own Chromium, which Playwright drives: what they show, report and ask for."""

import os
import shutil
from pathlib import Path

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ("--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage", "--disable-gpu")


@pytest.fixture(scope="module")
def chromium():
    """Start a browser for the tests of a file.

    Not for a whole session: as long as Playwright is open, its event loop counts as running, for every other test too.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install '.[test]'")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium")
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # for whom Chromium has no sandbox
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=[*FLAGS, *["--no-sandbox"] * root])
        yield browser
        browser.close()


def watch(page):
    """Return two lists that fill as a page goes on: errors, warnings and what was thrown; and addresses asked for."""
    errors, requests = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning", "assert") else None)
    page.on("request", lambda request: requests.append(request.url))
    return errors, requests


@pytest.fixture
def open_page(chromium):
    """Open an HTML file in a window of its own, and hand out Playwright's page.

    `wait_for_function` needs a function ("() => …"): a bare expression is against the pages' security policy.

    At the end of the test, no page may have had an error or a warning in its console, or thrown anything; and it may
    have asked for nothing but itself and the files beside it that the test names.
    """
    visits = []

    def visit(path, *, width=1200, height=1400, dark=False, files=()):
        phone = width < 600
        page = chromium.new_page(
            viewport={"width": width, "height": height}, device_scale_factor=2 if phone else 1, is_mobile=phone,
            color_scheme="dark" if dark else "light",
        )  # fmt: skip
        page.set_default_timeout(20_000)  # milliseconds
        path = Path(path).absolute()
        allowed = {path.as_uri(), *((path.parent / name).as_uri() for name in files)}
        visits.append((page, *watch(page), allowed))
        page.goto(path.as_uri())
        return page

    yield visit
    for page, errors, requests, allowed in visits:
        page.evaluate("0")  # what is on its way comes before the answer
        page.close()
        assert errors == []
        assert {url for url in requests if not url.startswith(("blob:", "data:"))} <= allowed
