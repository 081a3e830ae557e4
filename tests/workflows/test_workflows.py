"""Every shipped workflow on the real server: valid, executed, and the same in both formats."""

import json
import re
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from duet_host.save_video import for_this_host
from duet_host.to_ui import is_link
from PIL import Image
from templates.build import build_template
from templates.cards import SIDE
from templates.description import read_all
from templates.table import read_table, table

pytestmark = pytest.mark.long(seconds=170)

ROOT = Path(__file__).resolve().parents[2]
API = sorted((ROOT / "workflows" / "api").glob("*.json"))
# ComfyUI knows the text encoder umT5-XXL and the VAE of Wan 2.2 in their full size only, so that no small files serve here.
FULL_SIZE = {"wan_pair", "wan_video_to_depth", "wan_depth_to_video", "wan_skeleton_to_video", "flow_edit"}
FULL_SIZE |= {"swap_wan_animate", "swap_scail2", "swap_vace"}  # run in parts by test_swap_generators.py
RUN = [path for path in API if path.stem not in FULL_SIZE]


SMALL = 160  # pixels of the longer side of a clip
# By node: what makes workflows on a clip as small as the clip.
SMALLER = {
    "clip_paint": {"7": {"width": 30, "height": 30}, "8": {"x": 20, "y": 20}},
    "clip_insert_picture": {"10": {"resize_type.longer_size": 50}, "15": {"x": 90, "y": 20}},
    "clip_depth": {"2": {"duration": 0.2}, "7": {"resolution": 140}},
    "clip_pose": {"2": {"duration": 0.05}},  # its pictures are 768 x 1024 whatever the clip
}
README = (ROOT / "workflows" / "README.md").read_text(encoding="utf-8")
TITLES = read_table(README)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def page_file(name, ending="json"):
    """The file that the template browser shows for an API workflow."""
    return ROOT / "workflows" / f"{TITLES[name]}.{ending}"


def files(server, outputs):
    made = [item for node in outputs.values() for key in ("images", "latents") for item in node.get(key, ())]
    made = [item for item in made if item["type"] == "output"]
    return {item["filename"]: server.output / item["subfolder"] / item["filename"] for item in made}


@pytest.fixture(scope="module")
def made(server):
    """Each workflow run once: name to (result, files)."""
    from duet_host.client import run_prompt

    results = {}

    def once(name):
        if name not in results:
            prompt = read(ROOT / "workflows" / "api" / f"{name}.json")
            for node in prompt.values():
                if "steps" in node["inputs"]:
                    node["inputs"]["steps"] = 2  # random weights sample nothing worth more
                if node["inputs"].get("width") == 512:
                    node["inputs"] |= {"width": 64, "height": 64}
                if name == "evaluate_words" and "frames" in node["inputs"]:
                    node["inputs"]["frames"] = 2  # CLIP ViT-L/14 has its full size
                if node["inputs"].get("resize_type.longer_size") == 640:
                    node["inputs"]["resize_type.longer_size"] = SMALL
            for key, inputs in SMALLER.get(name, {}).items():
                prompt[key]["inputs"] |= inputs
            result = run_prompt(server.url, prompt)
            results[name] = result, files(server, result.outputs)
        return results[name]

    return once


@pytest.mark.parametrize("path", API, ids=lambda p: p.stem)
def test_both_formats_are_there_with_a_picture(path):
    assert page_file(path.stem).is_file()
    with Image.open(page_file(path.stem, "jpg")) as picture:
        assert picture.size == (SIDE, SIDE)


def test_the_table_names_every_file_and_no_other():
    assert sorted(TITLES) == [path.stem for path in API]
    folder = ROOT / "workflows"
    for ending in ("json", "jpg"):
        assert {path.stem for path in folder.glob(f"*.{ending}")} == set(TITLES.values())
    assert table(read_all()) == README, "run scripts/write_templates.py"


@pytest.mark.parametrize("path", API, ids=lambda p: p.stem)
def test_the_template_is_what_its_sources_make(path, object_info):
    """API workflow and layout make the file of the page, without a link behind a node or a zoom that is too small."""
    prompt = for_this_host(read(path), object_info)
    workflow, problems = build_template(prompt, object_info, read_all()[path.stem])
    assert problems == []
    assert read(page_file(path.stem)) == workflow, "run scripts/write_templates.py"


@pytest.mark.parametrize("path", API, ids=lambda p: p.stem)
def test_a_link_between_subgraphs_does_not_lead_to_the_name_of_another(path):
    """What a subgraph gives may get another name in the next one, but not that of something else it gives."""
    graph = read(page_file(path.stem))
    folded = {one["id"] for one in graph.get("definitions", {}).get("subgraphs", ())}
    nodes = {node["id"]: node for node in graph["nodes"] if node["type"] in folded}
    for _, source, output, target, place, _ in graph["links"]:
        if source in nodes and target in nodes:
            names = [slot["name"] for slot in nodes[source]["outputs"]]
            name = nodes[target]["inputs"][place]["name"]
            assert name not in names or name == names[output], f"{names[output]} leads to {name}"


@pytest.mark.parametrize("path", API, ids=lambda p: p.stem)
def test_the_server_knows_every_node_and_input(path, object_info):
    for key, node in read(path).items():
        assert node["_meta"]["title"], f"node {key}: the host's replacement of nodes needs a title"
        groups = object_info[node["class_type"]]["input"]
        known = {name for group in groups.values() for name in group}
        assert {name.split(".")[0] for name in node["inputs"]} <= known, node["class_type"]


@pytest.mark.parametrize("path", API, ids=lambda p: p.stem)
def test_an_independent_converter_reads_the_same_graph(path, object_info):
    from comfy_cli.workflow_to_api import convert_ui_to_api

    ours, theirs = for_this_host(read(path), object_info), convert_ui_to_api(read(page_file(path.stem)), object_info)
    for node in theirs.values():  # it fills in defaults of sockets, which the page leaves empty
        specs = object_info[node["class_type"]]["input"].get("optional", {})
        forced = {name for name, spec in specs.items() if spec[1:] and spec[1].get("forceInput")}
        node["inputs"] = {k: v for k, v in node["inputs"].items() if k not in forced or is_link(v, theirs)}
    found, expected = strip(theirs), strip(ours)
    curves = {name for name, (kind, _) in expected.items() if kind == "CurveEditor"}  # it writes the default for these
    assert {name: found[name][0] for name in curves} == dict.fromkeys(curves, "CurveEditor")
    assert found | {name: expected[name] for name in curves} == expected


def strip(prompt):
    """Classes and inputs by the ids of the API file: a node in a subgraph is "subgraph:id" on the page."""
    own = lambda value: [value[0].split(":")[-1], value[1]] if is_link(value, prompt) else value
    return {
        key.split(":")[-1]: (node["class_type"], {name: own(value) for name, value in node["inputs"].items()})
        for key, node in prompt.items()
    }


@pytest.mark.parametrize("path", RUN, ids=lambda p: p.stem)
def test_it_runs_to_its_end(path, made, server):
    result, paths = made(path.stem)
    assert result.ok, (result.error, result.node_errors)
    assert [kind for kind, _ in result.events].count("execution_success") == 1
    saving = {key for key, node in read(path).items() if re.match("Save(Image|Video|Latent)", node["class_type"])}
    assert saving <= set(result.outputs), "every node that saves has told what it saved"
    assert len(paths) >= len(saving) and all(p.stat().st_size > 1000 for p in paths.values())
    if not saving:
        texts = [text for node in result.outputs.values() for text in node.get("text", ())]
        written = [server.output / "duet_models" / t.removeprefix("Saved ") for t in texts if t.startswith("Saved ")]
        assert written and all(p.stat().st_size > 100_000 for p in written), texts


def test_the_pack_costs_no_time_at_the_start(server):
    """What would make it slow is kept out by name in tests/nodes/test_registry.py."""
    lines = [line for line in server.log.read_text(encoding="utf-8").splitlines() if line.endswith("comfyui-duet")]
    assert len(lines) == 1 and re.search(r" 0\.0 seconds", lines[0]), lines


def test_every_node_is_used_by_a_workflow(object_info):
    used = {node["class_type"] for path in API for node in read(path).values()}
    ours = {name for name, node in object_info.items() if node["python_module"] == "custom_nodes.comfyui-duet"}
    assert ours and ours <= used, ours - used


def frames(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_the_tour_leaves_a_video_its_depth_and_a_sheet(made):
    _, paths = made("stage_tour")
    video, depth = (
        next(p for n, p in paths.items() if n.startswith(start)) for start in ("stage_video", "stage_depth")
    )
    clip, far = frames(video), frames(depth)
    assert (
        clip.shape == far.shape and len(clip) == read(ROOT / "workflows/api/stage_tour.json")["1"]["inputs"]["frames"]
    )
    assert np.abs(np.diff(clip.astype(int), axis=0)).mean() > 1, "the clip moves"
    assert far.astype(int).max() > 200 and far.min() < 40 and np.ptp(far.astype(int), axis=-1).mean() < 3, (
        "grey, full range"
    )
    sheet = next(p for n, p in paths.items() if n.startswith("stage_sheet"))
    with Image.open(sheet) as picture:
        assert picture.width >= 3 * 256 and np.asarray(picture).std() > 30


def video_of(made, name):
    _, paths = made(name)
    return frames(next(path for path in paths.values() if path.suffix == ".mp4"))


@pytest.fixture(scope="module")
def walk():
    """The clip that the server has as the user's own: pictures, the person's masks and the empty scene in 8 bits."""
    import pack.models.stage
    from templates.clip import walk_through

    pictures, masks, empty = walk_through(pack.models.stage)
    small = lambda picture: np.asarray(
        Image.fromarray((picture * 255).round().byte().numpy()).resize((SMALL, SMALL), Image.LANCZOS)
    )
    return np.stack([small(p) for p in pictures]), np.stack([small(m) for m in masks]) > 127, small(empty)


def psnr(one, other, where):
    return 10 * np.log10(255**2 / np.square(one.astype(float) - other)[where].mean())


def test_the_person_is_gone_from_a_clip_and_the_rest_stays(made, walk):
    clip, (pictures, masks, empty) = video_of(made, "clip_remove_person"), walk
    assert psnr(pictures, empty, masks) < 14 and masks.mean() > 0.05, "there was a person"
    assert psnr(clip, empty, masks) > 30  # 34.9 dB seen, of which the video's own compression takes most
    assert psnr(clip, empty, ~masks) > 31


def test_the_layers_are_the_person_the_scene_and_the_mask(made, walk):
    _, masks, empty = walk
    _, paths = made("clip_layers")
    person, scene, mask = (
        frames(next(p for n, p in paths.items() if n.startswith(f"clip_{layer}")))
        for layer in ("person", "scene", "mask")
    )
    white = mask[..., 0] > 127
    assert (white & masks).sum() / (white | masks).sum() > 0.85
    assert psnr(scene, empty, masks) > 30
    assert person[~white].mean() < 6 and person[masks].mean() > 60, "black around the person"


def test_a_picture_is_behind_the_person(made, walk):
    clip, (pictures, masks, _) = video_of(made, "clip_insert_picture"), walk
    placed = np.zeros_like(masks)
    placed[:, 22:68, 92:138] = True
    assert psnr(clip, pictures, placed & ~masks) < 16, "the picture is there"
    assert psnr(clip, pictures, placed & masks) > 20, "the person hides it"


def test_paint_stays_on_the_wall_and_behind_who_walks_past(made, walk):
    clip, (pictures, masks, _) = video_of(made, "clip_paint"), walk
    pink = np.abs(clip.astype(int) - [0xE0, 0x21, 0x8A]).max(-1) < 60
    inside = np.zeros_like(masks)
    inside[:, 24:46, 24:46] = True
    assert pink[inside & ~masks].mean() > 0.8
    assert pink[inside & masks].mean() < 0.2
    assert psnr(clip, pictures, np.broadcast_to(np.arange(SMALL)[:, None] > 60, masks.shape)) > 28, "no paint below"


def test_a_clip_keeps_its_frame_rate(made):
    from templates.clip import RATE

    for name in ("clip_flow", "clip_remove_person"):
        path = next(path for path in made(name)[1].values() if path.suffix == ".mp4")
        with av.open(str(path)) as container:
            assert container.streams.video[0].average_rate == RATE


def test_a_long_dance_is_as_long_as_its_poses(made):
    clip = video_of(made, "long_dance")
    assert len(clip) == read(ROOT / "workflows/api/long_dance.json")["1"]["inputs"]["frames"] == 48
    assert clip.shape[2] > 1.8 * clip.shape[1], "video and depth lie side by side"
    assert all(half.std() > 1 for half in np.array_split(clip, 2, axis=2))


def test_words_become_a_clip_that_moves(made):
    clip = video_of(made, "animate_words")
    assert len(clip) == 16 and clip.std() > 1 and np.abs(np.diff(clip.astype(int), axis=0)).max() > 1


def test_the_lora_fits_and_the_clip_is_saved(made):
    result, _ = made("lora_and_controlnet")
    assert result.outputs["17"]["text"] == ["LoRA: 2 of 2 tensors fit and change 1 weights of the model."]
    assert len(video_of(made, "lora_and_controlnet")) == 16


def test_a_converted_motion_module_is_in_the_list_at_once(made, server, run):
    from duet_host.client import object_info

    result, _ = made("convert_checkpoint")
    file = result.outputs["1"]["text"][0].removeprefix("Saved ")
    assert "AnimateDiff v2" in result.outputs["2"]["text"][0]
    options = object_info(server.url)["DuetLoadMotionModule"]["input"]["required"]["motion_module_name"]
    assert file in str(options)
    prompt = read(ROOT / "workflows" / "api" / "make_video_model.json")
    prompt["2"]["inputs"]["motion_module_name"] = file
    assert run(prompt).ok


def test_run_sets_inputs_and_says_what_is_wrong(server, tmp_path):
    """The command line against the same server: a set input, then three mistakes, each with its words and exit code."""
    host = [sys.executable, str(ROOT / "scripts" / "host.py"), "run"]
    workflow = str(page_file("stage_tour"))
    call = lambda *more: subprocess.run(
        [*host, workflow, "--server", server.url, *more], capture_output=True, text=True
    )
    good = call("--set", "DuetRenderTestVideo.frames=2", "--set", "DuetRenderTestVideo.width=64")
    assert good.returncode == 0, good.stdout + good.stderr
    for setting, says in (
        ("DuetRenderTestVideo.frames=0", "frames"),
        ("DuetRenderTestVideo.action=fly", "action"),
        ("NoSuchNode.frames=1", "NoSuchNode"),
        ("DuetRenderTestVideo.shoes=1", "shoes"),
    ):
        bad = call("--set", setting)
        assert bad.returncode == 1 and says in bad.stdout + bad.stderr, (setting, bad)


def test_bad_input_ends_the_prompt_and_not_the_queue(run):
    """A refusal inside a node reaches the user in words, and the next prompt runs."""
    prompt = {
        "1": {"class_type": "DuetRenderTestVideo", "inputs": {"seed": 1, "width": 64, "height": 64, "frames": 3, "frame_rate": 12.0,
              "action": "wave", "character_seed": -1, "motion_seed": -1, "room_seed": -1, "object_count": 0, "camera": "still",
              "style": "natural", "smooth_edges": True}, "_meta": {"title": "Stage"}},
        "2": {"class_type": "VAELoader", "inputs": {"vae_name": "pixel_space"}, "_meta": {"title": "VAE"}},
        "3": {"class_type": "VAEEncode", "inputs": {"pixels": ["1", 0], "vae": ["2", 0]}, "_meta": {"title": "Encode"}},
        "4": {"class_type": "DuetSplitPair", "inputs": {"video_depth_latent": ["3", 0]}, "_meta": {"title": "Split"}},
        "5": {"class_type": "SaveLatent", "inputs": {"samples": ["4", 0], "filename_prefix": "x"}, "_meta": {"title": "Save"}},
    }  # fmt: skip
    result = run(prompt)
    assert result.error["exception_message"].startswith("video_depth_latent: expected an even number of latents")
    assert result.error["node_id"] == "4"
    prompt["1"]["inputs"]["frames"] = 4
    assert run(prompt).ok


def test_cancel_stops_the_stage(server):
    """The host's interrupt ends a long render within a frame or two, and the next prompt runs."""
    import threading
    import time

    from duet_host.client import interrupt, request, run_prompt

    prompt = read(ROOT / "workflows" / "api" / "stage_tour.json")
    prompt["1"]["inputs"] |= {"frames": 96, "width": 512, "height": 512, "seed": 99}  # long, and below 3 GB
    started = threading.Event()
    ended = []

    def follow():
        ended.append(run_prompt(server.url, prompt, lambda kind, data: kind == "progress" and started.set()))

    thread = threading.Thread(target=follow)
    thread.start()
    assert started.wait(60), ended
    running = request(f"{server.url}/queue")[1]["queue_running"]
    begin = time.monotonic()
    interrupt(server.url, running[0][1])
    thread.join(30)
    assert not thread.is_alive() and ended[0].error["type"] == "execution_interrupted"
    assert time.monotonic() - begin < 10
