"""Gives the repository one import name, `pack`, in every test, and starts the real host once for those that need it."""

import importlib.util
import json
import os
import random
import shutil
import sys
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOST = os.environ.get("COMFYUI_PATH")


def load(name: str, path: Path) -> None:
    """Import a package or a file under a name of our own, without a change of sys.path."""
    folder = path.is_dir()
    spec = importlib.util.spec_from_file_location(
        name, path / "__init__.py" if folder else path, submodule_search_locations=[str(path)] if folder else None
    )
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


load("pack", ROOT)
load("duet_host", ROOT / "scripts" / "duet_host")
load("templates", ROOT / "scripts" / "templates")
load("tiny", ROOT / "tests" / "tiny")
load("words", ROOT / "tests" / "words.py")
load("geometry", ROOT / "tests" / "browser" / "geometry.py")
load("opening", ROOT / "tests" / "browser" / "opening.py")
load("write_locale", ROOT / "scripts" / "write_locale.py")

if HOST:
    sys.path.insert(0, HOST)  # the host's own nodes.py must win over our folder of that name
    import torch
    from comfy.cli_args import args

    args.cpu = not torch.cuda.is_available()
else:
    collect_ignore = ["nodes", "workflows", "browser"]


def pytest_addoption(parser):
    parser.addoption("--write-golden", action="store_true", help="write the golden list of nodes anew")
    parser.addoption("--write-compatibility", action="store_true", help="write docs/compatibility.md anew")
    parser.addoption(
        "--fuzz", type=int, metavar="N", help="draw N new cases for each node and reader in place of the few fixed ones"
    )
    parser.addoption(
        "--shuffle", type=int, metavar="SEED", help="run files, and the tests of each file, in another order"
    )


def seed_all(text: str) -> None:
    """Seeds everything that draws, so that what is drawn does not depend on what ran before."""
    seed = zlib.crc32(text.encode())
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef, request):
    seed_all(f"{request.node.nodeid}/{fixturedef.argname}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Makes the host forget its lists of model folders that a test had and that are gone."""
    if "folder_paths" in sys.modules:
        lists = sys.modules["folder_paths"].filename_list_cache
        for kind in [kind for kind, (_, folders, _) in lists.items() if not all(map(os.path.isdir, folders))]:
            del lists[kind]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    seed_all(item.nodeid)


@pytest.hookimpl(tryfirst=True)  # pytest then puts the tests together that share a fixture's parameter
def pytest_collection_modifyitems(config, items):
    """The files that take longest come first, so that processes which share the work end together."""
    seed = config.getoption("--shuffle")
    if seed is not None:
        keys = {item: random.Random(f"{seed}/{item.nodeid}").random() for item in items}
        files = {item.path: random.Random(f"{seed}/{item.path}").random() for item in items}
        items.sort(key=lambda item: (files[item.path], keys[item]))
        return
    marks = {item: item.get_closest_marker("long") for item in items}
    items.sort(key=lambda item: -marks[item].kwargs["seconds"] if marks[item] else 0)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A running ComfyUI with this pack and small random models in it; its output goes to a temporary folder."""
    from duet_host.server import running_server
    from tiny.character_files import write_character_model
    from tiny.clip_files import write_clip_files
    from tiny.depth_files import write_depth_model
    from tiny.files import write_tiny_models
    from tiny.flow_files import write_flow_models
    from tiny.wan_files import write_small_wan_pair

    state = tmp_path_factory.mktemp("state")
    output = tmp_path_factory.mktemp("output")
    write_tiny_models(state / "models")
    write_depth_model(state / "models")
    write_flow_models(state / "models")
    write_character_model(state / "models")
    write_clip_files(state, Path(HOST))
    write_small_wan_pair(state / "models")
    for beside in (ROOT / "weights").glob("*/*.json"):  # the random models recommend what those of that name do
        shutil.copy(beside, state / "models" / beside.parent.name)
    with running_server(Path(HOST), Path(sys.executable), state, output=output, quiet=True) as running:
        yield running


@pytest.fixture(scope="session")
def object_info(server):
    from duet_host.client import object_info

    return object_info(server.url)


@pytest.fixture
def run(server):
    """Run an API prompt on the server to its end."""
    from duet_host.client import run_prompt

    return lambda prompt, on_event=None: run_prompt(server.url, prompt, on_event)


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))
