"""Workflows keep their meaning on the way from one format to the other and back."""

import copy

import pytest
from duet_host.errors import HostError
from duet_host.workflow import api_to_ui, format_of, ui_to_api


def node(kind, title, **inputs):
    dotted = {name.replace("__", "."): value for name, value in inputs.items()}
    return {"class_type": kind, "inputs": dotted, "_meta": {"title": title}}


@pytest.fixture
def prompt():
    blank = {"batch_size": 1, "color": 255}
    return {
        "3": node("EmptyImage", "Blank", width=64, height=32, **blank),
        "12": node("EmptyImage", "Other", width=16, height=16, **blank),
        "5": node(
            "ResizeImageMaskNode",
            "Resize",
            input=["3", 0],
            resize_type="scale dimensions",
            resize_type__width=8,
            resize_type__height=24,
            resize_type__crop="center",
            scale_method="area",
        ),
        "6": node("ResizeImageMaskNode", "Match", input=["12", 0], resize_type="match size", scale_method="area"),
        "7": node("BatchImagesNode", "Batch", images__image0=["5", 0], images__image1=["6", 0]),
        "8": node("SaveImage", "Save", images=["7", 0], filename_prefix="all"),
        "9": node("PreviewImage", "Look", images=["3", 0]),
    } | sampling()


def sampling():
    sampler = {"steps": 20, "cfg": 8.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 0.5}
    return {
        "20": node("CheckpointLoaderSimple", "Load", ckpt_name="a.safetensors"),
        "21": node("CLIPTextEncode", "Prompt", clip=["20", 1], text="a figure"),
        "22": node("EmptyLatentImage", "Latent", width=["24", 0], height=64, batch_size=2),
        "23": node(
            "KSampler",
            "Sample",
            model=["20", 0],
            positive=["21", 0],
            negative=["21", 0],
            latent_image=["22", 0],
            seed=7,
            **sampler,
        ),
        "24": node("PrimitiveInt", "Width", value=128),
        "25": node("VAEDecode", "Decode", samples=["23", 0], vae=["20", 2]),
        "26": node("LoadImage", "Picture", image="picture.png"),
    }


@pytest.fixture
def ui(prompt, info):
    prompt["6"]["inputs"] |= {"resize_type.match": ["26", 0], "resize_type.crop": "disabled"}
    return api_to_ui(prompt, info)


def find(workflow, number):
    return next(entry for entry in workflow["nodes"] if entry["id"] == number)


def test_round_trip(prompt, info, ui):
    assert format_of(prompt) == "api" and format_of(ui) == "ui"
    assert ui_to_api(ui, info) == prompt
    assert ui_to_api(api_to_ui(ui_to_api(ui, info), info), info) == prompt


def test_round_trip_notices_a_changed_value(prompt, info, ui):
    find(ui, 5)["widgets_values"][1] = 9
    assert ui_to_api(ui, info) != prompt


def test_widget_order_is_the_pages(ui):
    assert find(ui, 23)["widgets_values"] == [7, "fixed", 20, 8.0, "euler", "normal", 0.5]
    assert find(ui, 5)["widgets_values"] == ["scale dimensions", 8, 24, "center", "area"]
    assert find(ui, 26)["widgets_values"] == ["picture.png", "image"]
    assert find(ui, 24)["widgets_values"] == [128, "fixed"]


def test_values_without_the_extra_ones_are_read_too(info, ui):
    find(ui, 23)["widgets_values"].remove("fixed")
    find(ui, 26)["widgets_values"].remove("image")
    prompt = ui_to_api(ui, info)
    assert prompt["23"]["inputs"]["steps"] == 20
    assert prompt["26"]["inputs"] == {"image": "picture.png"}


def test_missing_values_become_defaults(info, ui):
    del find(ui, 23)["widgets_values"][2:]
    inputs = ui_to_api(ui, info)["23"]["inputs"]
    assert (inputs["seed"], inputs["steps"], inputs["cfg"], inputs["denoise"]) == (7, 20, 8.0, 1.0)


def test_values_by_name_are_read_too(info, ui):
    find(ui, 5)["widgets_values"] = {"resize_type": "scale width", "resize_type.width": 99, "scale_method": "area"}
    inputs = ui_to_api(ui, info)["5"]["inputs"]
    assert inputs == {"input": ["3", 0], "resize_type": "scale width", "resize_type.width": 99, "scale_method": "area"}


def test_links_agree_at_both_ends(ui):
    assert ui["last_link_id"] == len(ui["links"]) > 10
    for number, source, output, target, place, _ in ui["links"]:
        assert number in find(ui, source)["outputs"][output]["links"]
        assert find(ui, target)["inputs"][place]["link"] == number


def test_order_is_topological_and_nothing_overlaps(ui):
    assert sorted(entry["order"] for entry in ui["nodes"]) == list(range(len(ui["nodes"])))
    for _, source, _, target, _, _ in ui["links"]:
        assert find(ui, source)["order"] < find(ui, target)["order"]
        assert find(ui, source)["pos"][0] + find(ui, source)["size"][0] < find(ui, target)["pos"][0]
    title_bar = 30
    for a in ui["nodes"]:
        for b in ui["nodes"]:
            if a is not b and a["pos"][0] == b["pos"][0] and a["pos"][1] <= b["pos"][1]:
                assert a["pos"][1] + a["size"][1] + title_bar <= b["pos"][1]


def test_given_titles_and_positions_win(prompt, info):
    ui = api_to_ui({"3": prompt["3"]}, info, titles={"3": "Sky"}, positions={"3": (40, 50)})
    assert (ui["nodes"][0]["title"], ui["nodes"][0]["pos"]) == ("Sky", [40, 50])
    assert ui["nodes"][0]["properties"] == {"Node name for S&R": "EmptyImage", "cnr_id": "comfy-core"}


def test_our_nodes_carry_the_packs_id(prompt, info):
    info["EmptyImage"]["python_module"] = "custom_nodes.comfyui-duet"
    assert api_to_ui({"3": prompt["3"]}, info)["nodes"][0]["properties"]["cnr_id"] == "duet-video-depth"


def test_bypassed_node_hands_on_what_it_gets(info, ui):
    find(ui, 5)["mode"] = 4
    for slot in (find(ui, 5)["inputs"][0], find(ui, 5)["outputs"][0]):
        slot["type"] = "IMAGE"
    prompt = ui_to_api(ui, info)
    assert "5" not in prompt
    assert prompt["7"]["inputs"] == {"images.image0": ["3", 0], "images.image1": ["6", 0]}


def test_muted_node_takes_its_links_along(info, ui):
    find(ui, 5)["mode"] = 2
    prompt = ui_to_api(ui, info)
    assert "5" not in prompt
    assert prompt["7"]["inputs"] == {"images.image1": ["6", 0]}


def test_nodes_of_the_page_alone_disappear(prompt, info, ui):
    page_only = copy.deepcopy(ui)
    link = find(page_only, 8)["inputs"][0]["link"]
    entry = next(entry for entry in page_only["links"] if entry[0] == link)
    source, slot = entry[1], entry[2]
    page_only["nodes"] += [
        {"id": 90, "type": "Reroute", "inputs": [{"name": "", "link": 900}], "outputs": [{"links": [link]}]},
        {"id": 91, "type": "PrimitiveNode", "widgets_values": [33, "fixed"], "outputs": [{"links": [901]}]},
        {"id": 92, "type": "Note", "widgets_values": ["read me"]},
        {"id": 93, "type": "MarkdownNote", "widgets_values": ["# read me"]},
    ]
    entry[1], entry[2] = 90, 0
    page_only["links"] += [[900, source, slot, 90, 0, "IMAGE"], [901, 91, 0, 3, 0, "INT"]]
    next(s for s in find(page_only, 3)["inputs"] if s["name"] == "width")["link"] = 901
    prompt["3"]["inputs"]["width"] = 33
    assert ui_to_api(page_only, info) == prompt


def test_list_that_is_a_value_is_no_link(info):
    ui = {"nodes": [{"id": 1, "type": "ImageCropV2", "inputs": [], "widgets_values": [[3, 0]]}], "links": []}
    assert ui_to_api(ui, info)["1"]["inputs"] == {"crop_region": {"__value__": [3, 0]}}


def test_only_a_list_of_files_has_an_upload_button(info):
    mask = ["STRING", {"widgetType": "PAINTER", "image_upload": True, "socketless": True}]
    painted = {"mask": mask, "width": ["INT", {"default": 512}]}
    info["Painter"] = {"input": {"required": painted}, "output": ["IMAGE"], "output_name": ["IMAGE"]}
    prompt = {"1": node("Painter", "Paint", mask="", width=256)}
    ui = api_to_ui(prompt, info)
    assert find(ui, 1)["widgets_values"] == ["", 256]
    assert ui_to_api(ui, info)["1"]["inputs"]["width"] == 256


def test_ids_that_are_no_numbers_get_free_ones(prompt, info):
    ui = api_to_ui({"a": prompt["3"], "1": prompt["12"]}, info)
    assert sorted(entry["id"] for entry in ui["nodes"]) == [1, 2]


def test_a_subgraph_that_the_file_lacks_is_refused_in_words(info, ui):
    ui["nodes"].append({"id": 77, "type": "0d8c77ec-07f5-4202-9d6e-ddcaf017bd51"})
    with pytest.raises(HostError, match="Node 77 is a subgraph that the file does not contain"):
        ui_to_api(ui, info)


def test_unknown_node_is_named(prompt, info, ui):
    del info["BatchImagesNode"]
    for convert, data in ((ui_to_api, ui), (api_to_ui, prompt)):
        with pytest.raises(HostError, match="BatchImagesNode"):
            convert(data, info)
