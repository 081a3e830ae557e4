"""Load Motion Module and Load Video Tuning keep what other nodes have set on the MODEL before them.

Each node acts in front of them as it does behind them; what cannot be kept is refused by name.
"""

import collections
import gc
import subprocess
import sys
import weakref
from pathlib import Path

import comfy.hooks
import comfy.model_management as memory
import comfy.samplers
import comfy.sd
import comfy_aimdo.host_buffer
import folder_paths
import pytest
import torch
from comfy.model_patcher import ModelPatcher, ModelPatcherDynamic
from comfy.patcher_extension import CallbacksMP, PatcherInjection, WrappersMP
from comfy_extras.nodes_custom_sampler import DualModelGuider
from comfy_extras.nodes_freelunch import FreeU_V2
from comfy_extras.nodes_hooks import CreateHookLoraModelOnly
from comfy_extras.nodes_lora_debug import LoraLoaderBypassModelOnly
from comfy_extras.nodes_model_advanced import ModelComputeDtype, ModelSamplingDiscrete, RescaleCFG
from comfy_extras.nodes_model_merging import ModelMergeSimple
from comfy_extras.nodes_pag import PerturbedAttentionGuidance
from comfy_extras.nodes_torch_compile import TorchCompileModel
from pack.models.files import save_model
from pack.models.oneshot.files import Tuning, fingerprint, save_tuning
from pack.nodes.host.unet.model import native_model, weights_of
from pack.nodes.oneshot.tuning import LoadVideoTuning
from pack.nodes.pair.modality import SelectModality
from pack.nodes.pair.windows import SetPairWindows
from pack.nodes.unet.loaders import ADDED_LAYERS, LoadVideoModel
from pack.nodes.unet.lora import LoadVideoLora
from pack.nodes.unet.motion_module import LoadMotionModule
from safetensors.torch import save_file
from tiny.model import PICTURES, conditioning, gap, ksampler, latent, noise, tiny_config, tiny_model, tiny_weights

import nodes as host

pytestmark = pytest.mark.long(seconds=75)

FRAMES = 5
MOTION = PICTURES | {"temporal": "motion_modules"}
TUNED = PICTURES | ADDED_LAYERS["video tuning"]
QUERY = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"  # a tuning replaces it
KEY = "mid_block.resnets.0.conv1"
PLACE = "diffusion_model." + QUERY
KEYS = {"up": (64, 4), "down": (4, 64)}


def lora_state() -> dict[str, torch.Tensor]:
    state = tiny_weights(tiny_config(**PICTURES))
    out = {}
    for seed, key in enumerate((QUERY, KEY)):
        shape = state[f"{key}.weight"].shape
        rest = shape[2:]
        out[f"diffusion_model.{key}.lora_up.weight"] = noise((shape[0], 4, *(1 for _ in rest)), seed) * 0.5
        out[f"diffusion_model.{key}.lora_down.weight"] = noise((4, *shape[1:]), seed + 5) * 0.1
    return out


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A picture model, a motion module, a tuning and a LoRA."""
    folder = tmp_path_factory.mktemp("models")
    pictures, moving, tuned = (tiny_config(**kind) for kind in (PICTURES, MOTION, TUNED))
    save_model(folder / "pictures.safetensors", tiny_weights(pictures), pictures)
    motion = {k: v for k, v in tiny_weights(moving, 4).items() if ".motion_modules." in k and not k.endswith(".pe")}
    save_file(motion, str(folder / "mm.safetensors"))
    base = fingerprint(tiny_weights(pictures))
    save_tuning(folder / "clip.safetensors", tiny_weights(tuned, 3), tuned, Tuning(base, frames=8))
    save_file(lora_state(), str(folder / "style.safetensors"))
    return folder


@pytest.fixture(autouse=True)
def shelf(files, monkeypatch):
    """The host's folders with the files in them."""
    names = ("diffusion_models", "animatediff_models", "model_patches", "loras")
    folders = {name: ([str(files)], {".safetensors"}) for name in names}
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", folder_paths.folder_names_and_paths | folders)
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})


def with_motion(model):
    return LoadMotionModule.execute(model, "mm.safetensors").result[0]


def with_tuning(model):
    return LoadVideoTuning.execute(model, "clip.safetensors").result[0]


ADAPTERS = {"motion module": with_motion, "tuning": with_tuning}
adapters = pytest.mark.parametrize("add", ADAPTERS.values(), ids=ADAPTERS)


@pytest.fixture
def model():
    """A picture model as Load Video Model gives it."""
    return LoadVideoModel.execute("pictures.safetensors", "none").result[0]


def sample(model, positive=None, **rest):
    return ksampler(model, positive, pair=latent(FRAMES), **rest)


def patched(change):
    """A node that changes a clone."""

    def node(model):
        clone = model.clone()
        change(clone)
        return clone

    return node


def smaller(executor, *args, **kwargs):
    return executor(*args, **kwargs) * 0.9


def wrapped(kind):
    return patched(lambda m: m.add_wrapper_with_key(kind, "test", smaller))


def patch_of_queries(q, k, v, extra):
    return q * 1.2, k, v


def injected():
    """Something that changes layers while a model is loaded, as the host's contract has it: of the model that it gets."""
    handles = []
    half = lambda module, inputs, out: out * 0.9
    inject = lambda patcher: handles.append(patcher.model.diffusion_model.conv_out.register_forward_hook(half))
    return patched(lambda m: m.set_injections("test", [PatcherInjection(inject, lambda _: handles.pop().remove())]))


def other_pictures():
    return tiny_model(9, **PICTURES)


NODES = {
    "FreeU_V2": lambda m: FreeU_V2.execute(m, 1.5, 1.6, 0.5, 0.1).result[0],
    "context windows": lambda m: SetPairWindows.execute(m, 3, 1, "standard_static", "pyramid", 1, False, False).result[0],
    "stock LoRA": lambda m: host.LoraLoaderModelOnly().load_lora_model_only(m, "style.safetensors", 1.0)[0],
    "Load Video LoRA": lambda m: LoadVideoLora.execute(m, "style.safetensors", 0.7).result[0],
    "merged model": lambda m: ModelMergeSimple().merge(m, other_pictures(), 0.6)[0],
    "RescaleCFG": lambda m: RescaleCFG().patch(m, 0.7)[0],
    "PAG": lambda m: PerturbedAttentionGuidance.execute(m, 3.0)[0],
    "compute dtype": lambda m: ModelComputeDtype().patch(m, "bf16")[0],
    "attention patch": patched(lambda m: m.set_model_attn2_patch(patch_of_queries)),
    "wrapper of the network": wrapped(WrappersMP.DIFFUSION_MODEL),
    "wrapper of the sampling": wrapped(WrappersMP.OUTER_SAMPLE),
    "injection": injected(),
    "weight wrapper": patched(lambda m: m.add_weight_wrapper(f"{PLACE}.weight", lambda weight: weight * 1.5)),
}  # fmt: skip


@adapters
@pytest.mark.parametrize("node", NODES.values(), ids=NODES)
def test_a_node_acts_in_front_as_it_does_behind(model, add, node):
    plain, behind, front = sample(add(model)), sample(node(add(model))), sample(add(node(model)))
    assert gap(front, behind) <= 1e-5
    assert gap(front, plain) > 1e-4, "it acts at all"


@adapters
def test_a_schedule_in_front_is_the_artists_choice(model, add):
    """ModelSamplingDiscrete makes a schedule for the model it gets; the motion module's own is for models without one."""
    front = add(ModelSamplingDiscrete().patch(model, "v_prediction", True)[0])
    chosen = front.get_model_object("model_sampling")
    assert chosen.zsnr and "V_PREDICTION" in str(type(chosen).__mro__)
    behind = add(model)
    behind.add_object_patch("model_sampling", chosen)
    assert gap(sample(front), sample(behind)) <= 1e-5
    assert gap(sample(front), sample(add(model))) > 1e-2
    if add is with_tuning:  # it has no schedule of its own, so the order does not matter
        assert gap(sample(front), sample(ModelSamplingDiscrete().patch(add(model), "v_prediction", True)[0])) <= 1e-5


def test_the_schedule_of_motion_modules_counts_without_another(model):
    expected = tiny_model(**MOTION).get_model_object("model_sampling").sigmas
    assert torch.equal(with_motion(NODES["FreeU_V2"](model)).get_model_object("model_sampling").sigmas, expected)
    assert not torch.equal(model.get_model_object("model_sampling").sigmas, expected)


@adapters
def test_the_network_is_the_picture_model_with_the_new_weights(model, add):
    kind = MOTION if add is with_motion else TUNED
    new = add(model)
    state = weights_of(new)[1]
    assert new.model.video == tiny_config(**kind)
    assert torch.equal(sample(new), sample(native_model(new.model.video, state)))
    pictures, added = (
        tiny_weights(tiny_config(**PICTURES)),
        tiny_weights(new.model.video, 4 if add is with_motion else 3),
    )
    fresh = {name for name in state if not torch.equal(state[name], pictures.get(name, torch.zeros(())))}
    assert fresh and all(torch.equal(state[name], added[name]) for name in fresh)


def test_a_lora_in_front_does_not_make_it_another_base(model):
    """The base of a tuning is recognised by the keys of its attention, without what is patched on them."""
    state = {f"{PLACE.replace('to_q', 'to_k')}.lora_{part}.weight": noise(shape) for part, shape in KEYS.items()}
    styled = comfy.sd.load_lora_for_models(model, None, state, 1.0, 0.0)[0]
    reports = [LoadVideoTuning.execute(one, "clip.safetensors").result[1] for one in (model, styled, other_pictures())]
    assert reports[0] == reports[1] and "another base" not in reports[0] and "another base" in reports[2]


@adapters
def test_a_weight_hook_acts_like_the_same_lora(model, add):
    hooks = CreateHookLoraModelOnly().create_hook_model_only("style.safetensors", 1.0)[0]
    hooked = [comfy.hooks.set_hooks_for_conditioning(conditioning(seed), hooks) for seed in (1, 2)]
    as_patch = sample(NODES["stock LoRA"](add(model)))
    assert gap(sample(add(model), *hooked[:1], negative=hooked[1]), as_patch) < 1e-4
    sample(model, hooked[0], negative=hooked[1])  # the hooks were registered on the incoming MODEL
    assert gap(sample(add(model), hooked[0], negative=hooked[1]), as_patch) < 1e-4
    assert gap(as_patch, sample(add(model))) > 1e-3


@adapters
def test_what_hangs_on_a_model_stays(model, add):
    beside, seen = other_pictures(), []
    model.set_attachments("note", 7)
    model.set_additional_models("beside", [beside])
    model.add_callback(CallbacksMP.ON_PRE_RUN, lambda patcher: seen.append(patcher.model.video))
    model.model_options["transformer_options"]["mine"] = {"a": [1]}
    new = add(model)
    assert new.attachments.keys() == model.attachments.keys() and new.get_attachment("note") == 7
    assert new.get_attachment("duet_recommended") == model.get_attachment("duet_recommended")
    assert new.get_additional_models_with_key("beside")[0].model is beside.model
    assert new.model_options["transformer_options"]["mine"] == {"a": [1]}
    assert new.model_options["transformer_options"] is not model.model_options["transformer_options"]
    sample(new)
    assert seen == [new.model.video]


@adapters
def test_after_the_incoming_model_was_sampled(model, add):
    """On the CPU the host has written the LoRA into its weights by then."""
    expected = sample(add(NODES["stock LoRA"](model)))
    pictures = sample(model)
    incoming = NODES["stock LoRA"](model)
    styled = sample(incoming)
    assert incoming.backup, "patched weights lie in the incoming network"
    new = add(incoming)
    assert torch.equal(sample(new), expected)
    assert torch.equal(sample(incoming), styled)
    assert torch.equal(sample(model), pictures)
    assert torch.equal(sample(new), expected)
    assert torch.equal(
        sample(add(model)), sample(add(LoadVideoModel.execute("pictures.safetensors", "none").result[0]))
    )


@adapters
def test_what_was_injected_for_sampling_is_injected_again(model, add):
    incoming = injected()(model)
    expected = sample(add(incoming))
    styled = sample(incoming)
    assert incoming.is_injected
    new = add(incoming)
    assert torch.equal(sample(new), expected) and torch.equal(sample(incoming), styled)
    assert gap(expected, sample(add(model))) > 1e-3


@adapters
def test_one_modality_alone_is_still_sampled_alone(add):
    pair = tiny_model(temporal="none", cross_modal="none", background="none")
    which = lambda m: SelectModality.execute(m, "depth only").result[0]
    front, behind, both = (sample(m) for m in (add(which(pair)), which(add(pair)), which(pair)))
    assert torch.equal(front, behind) and gap(front, both) > 1e-4


@adapters
def test_the_weights_are_shared_and_the_host_sees_two_models(model, add):
    new = add(model)
    ours, theirs = (m.model.diffusion_model.state_dict() for m in (new, model))
    name = "conv_in.weight"
    assert ours[name].data_ptr() == theirs[name].data_ptr()
    assert new.model is not model.model and not new.is_clone(model) and new.parent is None
    assert new.clone_base_uuid != model.clone_base_uuid and new.patches_uuid != model.patches_uuid
    assert new.backup is not model.backup and new.pinned is not model.pinned
    assert new.model_size() == memory.module_size(new.model) > model.model_size()
    memory.load_models_gpu([model, new])
    assert {loaded.model for loaded in memory.current_loaded_models} >= {model, new}
    memory.unload_all_models()


@adapters
def test_the_host_can_build_the_same_model_anew(model, add):
    new = add(NODES["stock LoRA"](add_twice(add, model)))
    expected = sample(new)
    build, args, *index = new.cached_patcher_init
    again = build(*args, disable_dynamic=True)
    again = again[index[0]] if index else again
    assert isinstance(again, ModelPatcher) and not again.is_dynamic() and again.model.video == new.model.video
    for copy in (new.clone(force_deepcopy=True), new.deepclone_multigpu()):
        assert copy.model is not new.model
        weights = copy.model.diffusion_model
        assert weights.conv_in.weight.data_ptr() != new.model.diffusion_model.conv_in.weight.data_ptr()
        assert torch.equal(sample(copy), expected)


def add_twice(add, model):
    """Another tuning in a model is replaced, so the chain of sources grows."""
    return with_tuning(model) if add is with_tuning else model


@adapters
def test_a_model_whose_weights_the_host_streams(model, add, monkeypatch):
    """Small weights lie on the GPU then, with patches in them, and what they were is kept aside; meta stands for the GPU."""
    monkeypatch.setattr(comfy_aimdo.host_buffer, "HostBuffer", lambda *_: None)  # pinned memory, which needs a GPU
    expected = sample(add(model))
    streamed = ModelPatcherDynamic(model.model, torch.device("meta"), torch.device("cpu"))
    streamed.cached_patcher_init = model.cached_patcher_init
    aside = collections.namedtuple("Dimension", ["weight", "inplace_update"])
    key, layer = "diffusion_model.conv_in.weight", model.model.diffusion_model.conv_in
    original = layer.weight
    streamed.backup[key] = aside(original, False)
    layer.weight = torch.nn.Parameter(torch.empty_like(original, device="meta"), requires_grad=False)
    new = add(streamed)
    assert new.is_dynamic() and id(new) in new.model.dynamic_patchers and new.model.dynamic_pins
    state = new.model.diffusion_model.state_dict()
    assert state["conv_in.weight"].data_ptr() == original.data_ptr()
    assert all(value.device.type == "cpu" for value in state.values())
    layer.weight = original
    plain = new.clone(disable_dynamic=True)
    plain.load_device = torch.device("cpu")
    assert torch.equal(sample(plain), expected)


@adapters
def test_a_hook_does_not_write_into_the_weights_of_the_other_model(model, add):
    """Dual Model CFG Guider samples two models at once, and hooks write into weights in place."""
    new = add(model)
    hooks = CreateHookLoraModelOnly().create_hook_model_only("style.safetensors", 1.0)[0]
    for first, second in ((new, model), (model, new)):
        positive = comfy.hooks.set_hooks_for_conditioning(conditioning(1), hooks)
        apart = add(LoadVideoModel.execute("pictures.safetensors", "none").result[0])
        apart = apart if second is new else LoadVideoModel.execute("pictures.safetensors", "none").result[0]
        outs = []
        for negative_model in (second, apart):
            guider = DualModelGuider.execute(first, positive, 4.0, negative_model, conditioning(2)).result[0]
            sigmas = comfy.samplers.calculate_sigmas(first.get_model_object("model_sampling"), "normal", 2)
            sampler = comfy.samplers.sampler_object("euler")
            outs.append(guider.sample(noise((FRAMES, 4, 8, 8)), torch.zeros(FRAMES, 4, 8, 8), sampler, sigmas))
        assert torch.equal(*outs)


def compiled(model):
    return TorchCompileModel.execute(model, "inductor").result[0]


def bypassed(model):
    return LoraLoaderBypassModelOnly().load_lora_model_only(model, "style.safetensors", 1.0)[0]


REFUSED = {
    "compiled": (compiled, "TorchCompileModel"),
    "bypass LoRA": (bypassed, r"Load LoRA \(Bypass"),
    "split": (patched(lambda m: m.set_additional_models("multigpu", [m.clone()])), "MultiGPU CFG Split"),
    "layer": (
        patched(lambda m: m.add_object_patch(f"diffusion_model.{KEY}", torch.nn.Identity())),
        f"in place of {KEY} in front",
    ),
    "whole": (
        patched(lambda m: m.add_object_patch("diffusion_model", torch.nn.Identity())),
        "in place of the network in front",
    ),
}


@adapters
@pytest.mark.parametrize(("node", "words"), REFUSED.values(), ids=REFUSED)
def test_what_works_on_the_network_itself_is_refused_by_name(model, add, node, words):
    name = "Load Motion Module" if add is with_motion else "Load Video Tuning"
    with pytest.raises(ValueError, match=f"{words}.*behind {name}"):
        add(node(model))


@adapters
def test_what_another_clone_put_in_place_of_a_layer_stays_out(model, add):
    """The host leaves it in the network until the next use."""
    expected = sample(add(model))
    other = patched(lambda m: m.add_object_patch("diffusion_model.conv_out", torch.nn.Conv2d(64, 4, 1)))(model)
    memory.load_models_gpu([other])
    assert torch.equal(sample(add(model)), expected)


MEASURE = """
import sys
sys.path.insert(0, {tests!r})
import conftest, torch
from pathlib import Path
from pack.models.files import save_model
from pack.models.oneshot.files import Tuning, save_tuning
from pack.models.unet.network import VideoUNet
from pack.nodes.oneshot.tuning import with_tuning
from pack.nodes.unet.loaders import ADDED_LAYERS, open_video_model
from pack.nodes.unet.motion_module import with_motion
from safetensors.torch import save_file
from tiny.model import PICTURES, tiny_config

def zeros(**kind):
    config = tiny_config(**PICTURES | {{"block_out_channels": (512, 512)}} | kind)
    with torch.device("meta"):
        shapes = VideoUNet(config).state_dict()
    return config, {{name: torch.zeros(value.shape) for name, value in shapes.items()}}

def resident(kind):
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith(kind))

def peak(call):
    open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
    before = resident("VmRSS")
    return call(), resident("VmHWM") - before

folder = Path({folder!r})
config, state = zeros()
save_model(folder / "base.safetensors", state, config)
network = sum(value.nbytes for value in state.values())
_, state = zeros(temporal="motion_modules")
motion = {{name: value for name, value in state.items() if "motion_modules" in name}}
save_file(motion, folder / "motion.safetensors")
config, state = zeros(**ADDED_LAYERS["video tuning"])
save_tuning(folder / "tuning.safetensors", state, config, Tuning())
added = sum(value.nbytes for value in motion.values()), (folder / "tuning.safetensors").stat().st_size
del state, motion
model, opened = peak(lambda: open_video_model(str(folder / "base.safetensors"))[0])
moving, first = peak(lambda: with_motion(model, folder / "motion.safetensors")[0])
tuned, second = peak(lambda: with_tuning(model, folder / "tuning.safetensors")[0])
again, third = peak(lambda: with_tuning(tuned, folder / "tuning.safetensors")[0])
print(network, *added, opened, first, second, third)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="The peak is read from Linux.")
def test_a_network_is_held_once(tmp_path):
    script = MEASURE.format(tests=str(Path(__file__).parents[2]), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    network, motion, tuning, opened, first, second, third = map(int, done.stdout.split()[-7:])
    slack = 48 * 2**20
    assert network > 350 * 2**20 and opened > 0.9 * network
    # The slack is for code that is imported on first use and for what the allocator keeps.
    assert (first < motion + slack) and (second < tuning + slack) and (third < tuning + slack)


def test_a_model_that_is_gone_frees_its_weights(model):
    new = with_motion(model)
    memory.load_models_gpu([new])
    network = weakref.ref(new.model)
    memory.unload_all_models()
    del new
    gc.collect()
    assert network() is None and torch.isfinite(sample(model)).all()
