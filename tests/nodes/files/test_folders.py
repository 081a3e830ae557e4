"""Which lists a file is in, which name opens which file, and what other packs share: by the host's own folders and loaders."""

import asyncio
import copy
import json
import os
import resource
import signal

import execution
import folder_paths
import pytest
import torch
from comfy.cli_args import args
from comfy_api.latest import io
from comfy_execution.graph import DynamicPrompt
from pack.nodes.character.loaders import LoadCharacterModel
from pack.nodes.files.convert import ConvertCheckpoint
from pack.nodes.files.save import SaveVideoModel
from pack.nodes.host.files import folders
from pack.nodes.unet.controlnet import LoadPoseControlNet
from pack.nodes.unet.loaders import LoadVideoModel
from safetensors import safe_open
from tiny.model import PICTURES, tiny_config, tiny_model, tiny_weights

import nodes as host

MODELS = {f"duet_{name}_128.safetensors" for name in ("dance", "words", "character", "wan")}
POSE, VAE = "duet_dance_128_pose.safetensors", "duet_vae_128.safetensors"


@pytest.fixture(autouse=True)
def started(tmp_path, monkeypatch):
    """The host's folders as they are after the pack has been loaded, in an empty place."""
    empty = {
        key: ([str(tmp_path / "models" / key)], copy.copy(ends))
        for key, (_, ends) in folder_paths.folder_names_and_paths.items()
    }
    for (folder,), _ in empty.values():
        os.makedirs(folder, exist_ok=True)
    empty = {
        key: value
        for key, value in empty.items()
        if not key.startswith("duet_") and key not in ("flow_models", "animatediff_models")
    }
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", empty)
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    monkeypatch.setattr(folder_paths, "models_dir", str(tmp_path / "models"))
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path / "output"))
    folder_paths.add_model_folder_path(
        "diffusion_models", str(tmp_path / "output" / "diffusion_models")
    )  # as main.py does
    folders.add_folder("animatediff_models")
    folders.add_folder("flow_models")
    getattr(folders, "add_own_folders", lambda: None)()
    folders.add_shipped()
    return tmp_path


def options(node, name):
    return next(set(i.options) for i in node.GET_SCHEMA().inputs if i.id == name)


def stock(node, name):
    return set(node.INPUT_TYPES()["required"][name][0])


def test_shipped_weights_are_in_our_lists_and_only_those_that_open_are_in_stock_ones():
    assert options(LoadVideoModel, "model_name") >= MODELS and options(LoadCharacterModel, "model_name") >= MODELS
    assert options(LoadPoseControlNet, "control_net_name") == {POSE}
    assert not stock(host.UNETLoader, "unet_name") and not stock(host.ControlNetLoader, "control_net_name")
    assert VAE in stock(host.VAELoader, "vae_name")
    assert host.VAELoader().load_vae(VAE)[0].decode(torch.zeros(1, 4, 4, 4)).shape == (1, 32, 32, 3)
    for key in folder_paths.folder_names_and_paths:
        stock_key = not key.startswith("duet_") and key not in ("flow_models", "vae")
        assert not stock_key or not any(name.startswith("duet_") for name in folder_paths.get_filename_list(key)), key


def test_names_of_saved_workflows_open_and_the_users_own_file_comes_first(started):
    name = "duet_dance_128.safetensors"
    assert LoadVideoModel.execute(name, "none")[0].model.video.modalities == 2
    assert LoadPoseControlNet.execute(POSE)[0] is not None
    mine = started / "models" / "diffusion_models" / name
    mine.write_bytes((folders.SHIPPED / "diffusion_models" / "duet_words_128.safetensors").read_bytes())
    assert folders.find_file(name, "diffusion_models") == mine
    assert LoadVideoModel.execute(name, "none")[0].model.video.modalities == 1


@pytest.mark.parametrize("prefix", ["duet_models/pair", "diffusion_models/pair"])
def test_a_saved_pair_is_listed_by_our_loader_and_by_stock_ones_only_where_the_user_says_so(prefix):
    default = next(i.default for i in SaveVideoModel.GET_SCHEMA().inputs if i.id == "filename_prefix")
    assert default.startswith("duet_models/")
    SaveVideoModel.execute(tiny_model(), prefix)
    name = "pair_00001_.safetensors"
    assert name in options(LoadVideoModel, "model_name") and LoadVideoModel.execute(name, "none")[0]
    assert (name in stock(host.UNETLoader, "unet_name")) == prefix.startswith("diffusion")


def test_folders_that_two_packs_add_are_joined():
    here = folder_paths.folder_names_and_paths
    here["flow_models"] = (["/other/flows"], {".flo", ".safetensors"})
    folders.add_folder("flow_models")
    paths, endings = here["flow_models"]
    assert paths[0] == "/other/flows" and len(paths) == 2 and {".flo", ".pth", ".safetensors"} <= endings
    assert ".flo" not in folder_paths.supported_pt_extensions
    here["animatediff_models"] = (["/from/yaml"], set())  # of extra_model_paths.yaml: every ending
    folders.add_folder("animatediff_models")
    assert here["animatediff_models"][1] == set()


def changed(prompt, key):
    """What the host asks a node before it runs it again."""
    cache = execution.IsChangedCache("id", DynamicPrompt(prompt), None)
    return asyncio.run(cache.get(key))


def test_a_linked_model_name_is_no_error_and_changes_with_the_files(started, monkeypatch, caplog):
    monkeypatch.setitem(host.NODE_CLASS_MAPPINGS, "DuetLoadVideoModel", LoadVideoModel)
    prompt = lambda: {
        "1": {"class_type": "PrimitiveString", "inputs": {"value": "duet_dance_128.safetensors"}},
        "2": {"class_type": "DuetLoadVideoModel", "inputs": {"model_name": ["1", 0], "add_untrained_layers": "none"}},
    }
    first = changed(prompt(), "2")
    assert isinstance(first, list) and isinstance(first[0], str) and "WARNING" not in caplog.text
    assert changed(prompt(), "2") == first
    (started / "models" / "checkpoints" / "new.safetensors").write_bytes(b"new")
    assert changed(prompt(), "2") != first


def run_with_graph(node, *inputs):
    """A node as the host runs it, with the graph among its hidden inputs."""
    graph, page = {"3": {"class_type": "X", "inputs": {}}}, {"workflow": {"nodes": [1]}, "path": "../x", "duet": "no"}
    hidden = {io.Hidden.prompt: graph, io.Hidden.extra_pnginfo: page}
    clone = node.PREPARE_CLASS_CLONE({"hidden_inputs": hidden})
    with safe_open(clone.execute(*inputs)[0], "pt") as file:
        return graph, page, file.metadata()


@pytest.mark.parametrize("kind", ["save", "model", "motion"])
def test_saved_models_carry_the_prompt_and_the_workflow(kind, started, monkeypatch):
    state = tiny_weights(tiny_config(**PICTURES | {"attention_head_dim": 8, "temporal": "motion_modules"}))
    motion = kind == "motion"
    torch.save(
        {n: v for n, v in state.items() if (".motion_modules." in n) == motion},
        started / "models" / "checkpoints" / "a.ckpt",
    )
    call = (
        (SaveVideoModel, tiny_model(), "x")
        if kind == "save"
        else (ConvertCheckpoint, "a.ckpt", "x", "auto", "unchanged")
    )
    graph, page, metadata = run_with_graph(*call)
    assert json.loads(metadata["prompt"]) == graph and json.loads(metadata["workflow"]) == page["workflow"]
    assert json.loads(metadata["duet"])["version"] == 2, "an entry of the page does not replace the configuration"
    monkeypatch.setattr(args, "disable_metadata", True)
    assert not {"prompt", "workflow"} & run_with_graph(*call)[2].keys()


@pytest.fixture
def full_disk():
    """Files of this process cannot grow beyond 100 kB: the system's own refusal in the middle of a write."""
    handler, limit = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("kind", ["save", "model", "flow", "tuning"])
def test_a_full_disk_is_a_sentence_with_the_path_and_leaves_nothing(kind, started, request):
    from pack.models.files.tuned import tav_name
    from pack.models.lfdm.config import TINY_UNET
    from pack.models.lfdm.unet import FlowUNet
    from tiny.flow_files import released_name

    source = started / "models" / "checkpoints" / "a.ckpt"
    if kind == "model":
        torch.save(tiny_weights(tiny_config(**PICTURES | {"attention_head_dim": 8})), source)
    elif kind == "flow":
        names = {released_name(n, tuple(v.shape)): v for n, v in FlowUNet(TINY_UNET).state_dict().items()}
        torch.save({"diffusion": names}, source)
    elif kind == "tuning":
        state = tiny_weights(
            tiny_config(
                **PICTURES
                | {"temporal": "native", "temporal_place": "after_feed_forward", "self_attention": "sparse_causal"}
            )
        )
        torch.save(
            {tav_name(n): v for n, v in state.items() if ".tem_attn." in n or n.endswith(".to_q.weight")}, source
        )
    model = tiny_model()
    request.getfixturevalue("full_disk")
    with pytest.raises(
        OSError, match=r"output/m/x_00001_.safetensors was not written \(.*\): it needs [\d.]+ MB there. Make room"
    ):
        SaveVideoModel.execute(model, "m/x") if kind == "save" else ConvertCheckpoint.execute(
            "a.ckpt", "m/x", "auto", "unchanged"
        )
    assert not list((started / "output" / "m").iterdir())


def test_a_flow_model_is_refused_by_its_name():
    from pack.nodes.lfdm.loaders import open_flow

    model, _ = open_flow(str(folders.SHIPPED / "flow_models" / "duet_flow_64.safetensors"))
    with pytest.raises(ValueError, match="got one from Load Flow Model: Save Video Model cannot write flow models"):
        SaveVideoModel.execute(model, "x")


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x", "a/../../x", "~", "~/x", "C:\\x", "a\\..\\..\\x", "\\\\host\\x", "x\0", ".."]
)
def test_a_name_does_not_lead_out_of_the_model_folders(name):
    with pytest.raises(ValueError, match="^clip: expected a name in the model folders vae, got .*, which leads out"):
        folders.find_inside(name, "vae", what="clip")


def test_a_name_inside_the_model_folders_is_found(started, tmp_path):
    place = started / "models" / "vae" / "a" / "b"
    place.mkdir(parents=True)
    (started / "models" / "vae" / "link").symlink_to(tmp_path)
    assert folders.find_inside("a/b", "vae", what="x") == place
    assert folders.find_inside("link", "vae", what="x") == started / "models" / "vae" / "link"
    assert (
        folders.find_inside("a/c", "vae", what="x") is None
        and folders.find_inside("a/b", "vae", what="x", holds="c") is None
    )
