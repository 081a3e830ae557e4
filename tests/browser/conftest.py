"""The real web page of the running ComfyUI, in a headless Chromium."""

import os

import pytest
from opening import open_page

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")  # an open page draws all the time, so it goes with the last test that looks at it
def page(server):
    """The page, loaded and ready to take a graph."""
    browser_path = os.environ.get("DUET_BROWSER")
    if not browser_path:
        pytest.skip("No browser was found.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        yield open_page(browser, server.url)
        browser.close()
