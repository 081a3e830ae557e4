"""Takes screenshots of the template browser and of templates as they open, in the real page at 1600 x 1000.

python3 scripts/host.py exec python scripts/screenshot_templates.py FOLDER [WORD ...]

A template is pictured where its file's name contains one of the words; without words, all are. --nodes-2 draws Nodes 2.0.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from duet_host.browser import find_browser
from duet_host.server import running_server
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PACK = "comfyui-duet"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
NODES_2 = "on => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)"
BROWSE = "app.extensionManager.command.execute('Comfy.BrowseTemplates')"


def open_page(playwright, url):
    """The page, loaded and ready to take a graph."""
    browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.set_default_timeout(120_000)
    page.goto(url)
    page.wait_for_function("window.app && window.app.vueAppReady && window.app.graph")
    page.wait_for_timeout(3000)
    page.keyboard.press("Escape")  # the template browser opens by itself on a first visit
    return page


def browse(page):
    """Opens the template browser at the pack's own section."""
    page.evaluate(BROWSE)
    page.wait_for_timeout(2500)  # the list of packs is built twice
    page.get_by_role("dialog").get_by_text(PACK, exact=True).first.click()
    page.wait_for_timeout(3000)


def open_template(page, title):
    """Opens a template from its card, which the page makes once the cards before it are seen."""
    browse(page)
    card = page.get_by_test_id(f"template-workflow-{title}")
    while not card.count():
        page.get_by_role("heading", level=3).last.scroll_into_view_if_needed()
        page.wait_for_timeout(300)
    card.click()
    page.wait_for_timeout(4000)  # nodes are sized, pictures of inputs loaded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--nodes-2", action="store_true")
    options = parser.parse_args()
    titles = sorted(path.stem for path in (ROOT / "workflows").glob("*.json"))
    titles = [title for title in titles if not options.words or any(word in title for word in options.words)]
    options.folder.mkdir(parents=True, exist_ok=True)
    host = Path(os.environ["COMFYUI_PATH"])
    with tempfile.TemporaryDirectory() as state, running_server(host, Path(sys.executable), Path(state)) as server:
        with sync_playwright() as playwright:
            page = open_page(playwright, server.url)
            page.evaluate(NODES_2, options.nodes_2)
            browse(page)
            page.screenshot(path=options.folder / "dialog.png")
            page.keyboard.press("Escape")
            for title in titles:
                open_template(page, title)
                page.screenshot(path=options.folder / f"{title}.png")
    print(f"{len(titles) + 1} screenshots in {options.folder}")


if __name__ == "__main__":
    main()
