"""Writes what needs the real server and page: docs/<workflow>_graph.jpg, docs/<sheet>.png and workflows/<name>.jpg.

python3 scripts/host.py exec python scripts/write_screenshots.py
"""

import io
import json
import os
import sys
import tempfile
from pathlib import Path

import av
from duet_host.checks import find_browser
from duet_host.client import run_prompt
from duet_host.jobs import show_errors
from duet_host.server import running_server
from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
ALL_SHOWN = "app.graph._nodes.filter(n => /^(Save|Preview)/.test(n.type)).every(n => app.nodeOutputs[n.id])"
SHEETS = {"stage_tour": "stage_sheet.png", "joint_dance": "dance_sheet.png"}  # pictures of the README
# What runs with the pack's own files: workflows that are shown as a graph too, and those whose result is shown alone.
GRAPHS = ("stage_tour", "video_depth_pair")
THUMBNAILS = ("joint_dance", "video_to_depth", "depth_to_video", "long_dance", "invert_video", "invert_video_by_hand")
SMALLEST = 256  # pixels of a thumbnail's shorter side
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


def picture_of(path: Path) -> Image.Image:
    """A picture, or the middle frame of a video."""
    if path.suffix != ".mp4":
        return Image.open(path).convert("RGB")
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return frames[len(frames) // 2].to_image()


def thumbnail(name: str, output: Path, outputs: dict) -> None:
    """The last picture or video that a workflow leaves, as its thumbnail."""
    results = [item for node in outputs.values() for item in node.get("images", ()) if item["type"] == "output"]
    results.sort(key=lambda item: item["filename"].endswith(".mp4"))  # pictures before videos
    picture = picture_of(output / results[0]["subfolder"] / results[0]["filename"])
    if name in SHEETS:
        picture.save(ROOT / "docs" / SHEETS[name], optimize=True)
    picture.thumbnail((768, 768), Image.LANCZOS)
    times = -(-SMALLEST // min(picture.size))
    picture = picture.resize((picture.width * times, picture.height * times), Image.LANCZOS)
    picture.save(ROOT / "workflows" / f"{name}.jpg", quality=88)


def screenshot(page, name: str) -> None:
    """Open a workflow in the page, run it there, and take a picture of the graph with its results."""
    page.evaluate(
        "async ui => { await app.loadGraphData(ui) }", json.loads((ROOT / "workflows" / f"{name}.json").read_text())
    )
    page.wait_for_timeout(1000)
    page.evaluate("app.queuePrompt(0)")
    page.wait_for_function(ALL_SHOWN, timeout=300_000)
    page.wait_for_timeout(4000)  # videos load their first frame
    page.evaluate("app.extensionManager.command.execute('Comfy.Canvas.FitView')")
    page.wait_for_timeout(1500)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.resize((1920, 1080), Image.LANCZOS).save(ROOT / "docs" / f"{name}_graph.jpg", quality=90)


def main() -> None:
    (ROOT / "docs").mkdir(exist_ok=True)
    names = sys.argv[1:] or [*GRAPHS, *THUMBNAILS]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        host, output = Path(os.environ["COMFYUI_PATH"]), Path(folder) / "output"
        with running_server(host, Path(sys.executable), Path(folder) / "state", output=output) as server:
            for name in names:
                prompt = json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text())
                result = run_prompt(server.url, prompt)
                if show_errors(prompt, result, server):
                    raise SystemExit(f"{name} made no picture")
                thumbnail(name, output, result.outputs)
            browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
            page = browser.new_page(viewport={"width": 2560, "height": 1440})
            page.goto(server.url)
            page.wait_for_function("window.app && window.app.vueAppReady && window.app.graph", timeout=60_000)
            page.wait_for_timeout(3000)
            page.keyboard.press("Escape")  # the template browser, which opens by itself on a first visit
            page.evaluate("app.extensionManager.command.execute('Comfy.Canvas.ToggleMinimap')")
            for name in set(names) & set(GRAPHS):
                screenshot(page, name)
            browser.close()
    print(f"{len(names)} workflows pictured")


if __name__ == "__main__":
    main()
