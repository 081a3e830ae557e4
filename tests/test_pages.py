"""The pages that a reader meets: every link leads somewhere, every picture is shown, nothing is left out of a list."""

import ast
import importlib.util
import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (".", "docs", "weights", "workflows", "training", "web/docs", "training/web/docs")
PAGES = sorted(path for folder in FOLDERS for path in (ROOT / folder).glob("*.md"))
LINK = re.compile(r"\]\(([^)\s]+)\)")
LARGEST_PICTURE = 400_000  # bytes; GitHub shows them all at once
WIDEST_PICTURE = 480  # pixels
name = lambda path: path.relative_to(ROOT).as_posix()


def text_of(path: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def links(path: Path) -> list[tuple[Path, str]]:
    """The files that a page links to, each with the heading it names or an empty text."""
    found = [target.partition("#") for target in LINK.findall(text_of(path)) if "://" not in target]
    return [((path.parent / unquote(file)).resolve() if file else path, heading) for file, _, heading in found]


def headings(path: Path) -> set[str]:
    """The names by which GitHub links to the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", text_of(path), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def ignored() -> set[str]:
    return {line.strip("/") for line in (ROOT / ".comfyignore").read_text().split()}


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_link_leads_somewhere(path):
    for target, heading in links(path):
        assert target.exists(), f"{name(path)} links to {target}, which is not there"
        assert not heading or heading in headings(target), f"{name(target)} has no heading #{heading}"


@pytest.mark.parametrize("path", [page for page in PAGES if name(page).split("/")[0] not in ignored()], ids=name)
def test_what_the_archive_holds_links_to_nothing_that_it_lacks(path):
    for target, _ in links(path):
        assert name(target).split("/")[0] not in ignored(), f"{name(path)} links to {name(target)}"


def test_readme_names_templates_that_are_there():
    """By the numbers in their titles, each once."""
    jobs = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Jobs\n")[1].split("\n## ")[0]
    rows = [row.split("|")[2] for row in jobs.splitlines() if row.startswith("| ")][2:]
    named = [word for row in rows for word in re.findall(r"\b\d\d\b", row)]
    assert len(named) > 15 and len(set(named)) == len(named)
    numbers = {path.stem.split()[1] for path in (ROOT / "workflows").glob("*.json")}
    assert set(named) <= numbers, sorted(set(named) - numbers)


def test_readme_names_the_commands_that_check_the_project():
    commands = [line.split("#")[0].strip() for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()]
    checked = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in ("python3 scripts/host.py demo", "python3 scripts/host.py test"):
        assert command in commands and command in checked


def test_readme_is_short_and_shows_five_moving_pictures():
    from PIL import Image

    readme = ROOT / "README.md"
    prose = [line for line in readme.read_text(encoding="utf-8").splitlines() if not line.startswith("|")]
    assert len(" ".join(prose).split()) < 880, "two minutes to read, with the tables skimmed"
    pictures = [target for target, _ in links(readme) if target.parent.name == "pictures"]
    assert len(pictures) == 5
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.width <= WIDEST_PICTURE and picture.n_frames > 1, path
        assert path.stat().st_size <= LARGEST_PICTURE


def filmed() -> tuple[str, ...]:
    """The pictures of README.md that show footage, of the script that writes them."""
    tree = ast.parse((ROOT / "scripts" / "write_footage_pictures.py").read_text(encoding="utf-8"))
    (shown,) = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SHOWN"
    ]
    return ast.literal_eval(shown)


def test_readme_begins_with_footage_and_credits_it():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    order = [Path(target).stem for target in LINK.findall(text) if target.startswith("docs/pictures/")]
    assert order[: len(filmed())] == list(filmed())
    assert "BSD-3-Clause" in text and (ROOT / "docs" / "footage.md", "licence-of-the-clip") in links(ROOT / "README.md")


def test_the_pictures_of_readme_can_be_made_from_the_workflows():
    spec = importlib.util.spec_from_file_location("readme_pictures", ROOT / "scripts" / "write_readme_pictures.py")
    spec.loader.exec_module(script := importlib.util.module_from_spec(spec))
    shown = {target.stem for target, _ in links(ROOT / "README.md") if target.parent.name == "pictures"}
    assert shown == set(script.SHOWN) | set(filmed())
    for workflow, places in script.SHOWN.items():
        prompt = json.loads((ROOT / "workflows" / "api" / f"{workflow}.json").read_text(encoding="utf-8"))
        saves = [node for key, node in script.with_saves(prompt, places).items() if key not in prompt]
        assert len(saves) == len(places) and all(node["inputs"]["images"][0] in prompt for node in saves), workflow


def test_every_picture_of_the_documents_is_shown():
    shown = {target for page in PAGES for target, _ in links(page)}
    there = {path for path in (ROOT / "docs").rglob("*") if path.suffix in (".png", ".jpg", ".webp", ".gif")}
    assert there and not there - shown


def test_the_lists_leave_nothing_out():
    listed = [target for target, _ in links(ROOT / "docs" / "nodes.md")]
    for page in (ROOT / "web" / "docs").glob("*.md"):
        assert listed.count(page) == 1, f"{page.name} belongs in docs/nodes.md, once"
    index = {target for target, _ in links(ROOT / "docs" / "README.md")}
    assert set((ROOT / "docs").glob("*.md")) - index == {ROOT / "docs" / "README.md"}


def test_the_table_of_weights_has_every_file():
    table = text_of(ROOT / "weights" / "README.md")
    rows = {row.split("`")[1]: float(row.split("|")[3]) for row in table.splitlines() if row.startswith("| `")}
    files = {path.relative_to(ROOT / "weights").with_suffix("").as_posix(): path.stat().st_size / 1e6
             for path in (ROOT / "weights").rglob("*.safetensors")}  # fmt: skip
    assert rows == {file: pytest.approx(size, abs=0.06) for file, size in files.items()}
    runs = re.findall(r"\| `(demo_\w+)` \|", table)
    assert len(runs) == len(files) - 1, "the ControlNet comes from the run of its model"
    assert not [run for run in runs if not (ROOT / "training" / "runs" / f"{run}.json").is_file()]


def test_the_links_are_found():
    """What the others rely on: links, headings and code blocks are distinguished."""
    assert (ROOT / "LICENSE", "") in links(ROOT / "README.md")
    assert "what-the-registry-gets" in headings(ROOT / "docs" / "development.md")
    assert not [word for word in text_of(ROOT / "docs" / "development.md").split() if word == "WORKFLOW.json"]
