"""The nodes that say what to train on and how: nothing runs yet."""

import json
from pathlib import Path

from comfy_api.latest import io

from . import host
from .presets import PAPER, SIZES, preset, start_from
from .settings import PRECISIONS, RECIPES, TRAINS, RunSettings

TrainingData = io.Custom("DUET_TRAINING_DATA")  # the `data` of run settings: {"kind": ..., ...}
TrainingSettings = io.Custom("DUET_TRAINING_SETTINGS")  # {"settings": run settings without data, "processes": int}
KINDS = ("stage", "folder", "disco", "disco_tsv", "videos", "labelled", "mug", "mhad", "natops")
NONE, FROM_PRESET = "none", "from preset"
MODELS = {
    "init": ("diffusion_models", "checkpoints", "flow_models"),
    "controlnet": ("controlnet",),
    "vae": ("vae", "checkpoints", "flow_models"),
}
CLIP_BYTES = 9  # of a pixel of a stage clip in memory
KEPT = 4 << 30  # bytes of clips that are kept in memory


class TrainingDataNode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetTrainingData",
            display_name="Training Data",
            category="Duet/training",
            description="What to train on: clips of the synthetic stage, which need no files, or a folder of your own "
            "clips with depth, pose and masks. launch.py --check names the clips of a folder that cannot be used.",
            search_aliases=["dataset", "training set", "clip folder", "TikTok dataset", "DisCo dataset"],
            inputs=[
                io.Combo.Input(
                    "kind", options=list(KINDS), default="stage",
                    tooltip="stage renders clips. folder is Duet's own clip folder, disco and disco_tsv are the data "
                    "sets of DisCo, videos is any folder of videos with their depth and masks beside them. "
                    "labelled is any folder of clips sorted into folders by label; mug, mhad and natops are data sets "
                    "of LFDM.",
                ),
                io.String.Input(
                    "path", default="",
                    tooltip="The folder of the clips, or one inside the input folder. The stage needs none.",
                ),
                io.Int.Input(
                    "clips", default=512, min=1, max=100000, step=1,
                    tooltip="How many different clips the stage renders. A folder has as many as it has.",
                ),
                io.Int.Input(
                    "size", default=128, min=32, max=1024, step=8,
                    tooltip="Pixels a side. Clips of a folder are cropped to a square of this size.",
                ),
                io.Int.Input("frames", default=8, min=1, max=64, step=1, tooltip="Frames of one clip."),
                io.Int.Input(
                    "interval", default=1, min=1, max=16, step=1, advanced=True,
                    tooltip="Takes every n-th frame of a folder's clips, for footage with many frames a second.",
                ),
                io.Int.Input(
                    "first_seed", default=1000, min=1000, max=0x7FFFFFFF, step=1, advanced=True,
                    tooltip="Seed of the stage's first clip; the others follow. Seeds below 1000 are kept for tests.",
                ),
            ],
            outputs=[TrainingData.Output(display_name="data", tooltip="The data, for Train.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, kind, path, clips, size, frames, interval=1, first_seed=1000) -> io.NodeOutput:
        if kind == "stage":
            kept = clips * frames * size * size * CLIP_BYTES <= KEPT
            return io.NodeOutput(
                {"kind": kind, "clips": clips, "size": size, "frames": frames, "first_seed": first_seed,
                 "in_memory": kept}
            )  # fmt: skip
        folder = existing_folder(path, host.input_folder())
        return io.NodeOutput({"kind": kind, "path": folder, "size": size, "frames": frames, "interval": interval})


def existing_folder(path: str, around: Path) -> str:
    """A folder of the user's disk, or one inside a folder of the host."""
    folder = (around / Path(path).expanduser()).resolve()
    if not path.strip() or not folder.is_dir():
        raise ValueError(f"Expected a folder in path, and {path!r} is none: give its whole path, or one in {around}.")
    return str(folder)


class TrainingSettingsNode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        names = {part: [NONE, *host.list_files(*kinds)] for part, kinds in MODELS.items()}
        return io.Schema(
            node_id="DuetTrainingSettings",
            display_name="Training Settings",
            category="Duet/training",
            description="How to train: a recipe, a preset for the size of your GPU, and what you want to be different. "
            "IDOL is trained by idol_haop, then idol_image, then idol_video, each from the model of the one before. one_shot "
            "ties one clip to one sentence.",
            search_aliases=[
                "hyperparameters", "learning rate", "IDOL stages", "HAOP", "training preset", "train vae",
                "Tune-A-Video", "one-shot", "tune a clip",
            ],
            inputs=[
                io.Combo.Input(
                    "recipe", options=list(RECIPES), default=RECIPES[0],
                    tooltip="vae: the small auto-encoder. idol_haop: put a person into a room. idol_image: pictures "
                    "with their depth. idol_video: clips with their depth. lfae: the codec of latent flow. lfdm: which "
                    "flow a picture takes for a word. one_shot: one clip and its prompt, on a model with depth. depth_words: a "
                    "small picture model that reads depth and the stage's words. mimo: a character in a scene and a motion.",
                ),
                io.Combo.Input(
                    "preset", options=[*SIZES, *PAPER], default=SIZES[0],
                    tooltip="Memory of the GPU, or CPU, or what the authors of LFDM trained a data set with. Decides "
                    "everything that is 0 or from preset below.",
                ),
                io.Int.Input(
                    "steps", default=0, min=0, max=10_000_000, step=1,
                    tooltip="Updates of the weights in the whole run. 0 takes the preset's.",
                ),
                io.Int.Input(
                    "batch", default=0, min=0, max=4096, step=1,
                    tooltip="Examples that one process works on at once. 0 takes the preset's.",
                ),
                io.Int.Input(
                    "accumulate", default=0, min=0, max=4096, step=1,
                    tooltip="Batches for one update: 4 learns as from a batch four times as large, in the memory of "
                    "one. 0 takes the preset's.",
                ),
                io.Float.Input(
                    "learning_rate", default=0.0, min=0.0, max=1.0, step=0.000001, round=False,
                    tooltip="How far one update moves the weights, such as 0.0001. 0 takes the recipe's.",
                ),
                io.Combo.Input(
                    "precision", options=[FROM_PRESET, *PRECISIONS], default=FROM_PRESET,
                    tooltip="bf16 is fast on GPUs since 2020, fp16 on older ones, fp32 is exact.",
                ),
                io.Combo.Input(
                    "trains", options=[FROM_PRESET, *TRAINS], default=FROM_PRESET,
                    tooltip="all weights, only the adapters of motion and depth, or a LoRA beside them. Needs an "
                    "init_model, except for all. one_shot: all is queries and attention over time, adapters only the "
                    "latter, lora low ranks on the queries beside it.",
                ),
                io.Int.Input(
                    "seed", default=0, min=0, max=0xFFFFFFFF, step=1,
                    tooltip="Draws the first weights and every example. The same seed trains the same weights.",
                ),
                io.Int.Input(
                    "processes", default=1, min=1, max=16, step=1,
                    tooltip="One for each GPU. Several share the work of an update through torchrun.",
                ),
                io.Combo.Input(
                    "init_model", options=names["init"], default=NONE,
                    tooltip="The model to start from: Stable Diffusion 1, or one that an earlier stage made. none "
                    "starts a small new one for 128 pixels. one_shot: Stable Diffusion 2 with depth, 1, or duet_words_128.",
                ),
                io.Combo.Input(
                    "controlnet", options=names["controlnet"], default=NONE,
                    tooltip="The pose ControlNet to start from. none copies it from the model.",
                ),
                io.Combo.Input(
                    "vae", options=names["vae"], default=NONE,
                    tooltip="The VAE whose latents the model learns, or the checkpoint that holds it; for lfdm the codec that lfae made. vae and lfae need "
                    "none.",
                ),
                io.String.Input(
                    "clip_folder", default="", advanced=True,
                    tooltip="Folder of a CLIP vision model with its config.json, for models as large as Stable "
                    "Diffusion: its whole path, or one in models/clip_vision. Empty: the VAE describes the person.",
                ),
                io.Int.Input(
                    "sample_every", default=250, min=0, max=1_000_000, step=1, advanced=True,
                    tooltip="Steps between two sample pictures. 0 draws none.",
                ),
                io.Int.Input(
                    "checkpoint_every", default=500, min=1, max=1_000_000, step=1, advanced=True,
                    tooltip="Steps between two checkpoints: a power loss costs no more than these. Cancel saves one.",
                ),
                io.String.Input(
                    "more", default="", multiline=True, advanced=True,
                    tooltip='Any other run settings as JSON, such as {"ema": 0.999, "losses": {"motion": 0.02}}. '
                    "The help page lists them.",
                ),
                io.Conditioning.Input(
                    "positive", optional=True,
                    tooltip="For one_shot: what the clip shows, from CLIP Text Encode with the CLIP of init_model.",
                ),
            ],
            outputs=[TrainingSettings.Output(display_name="settings", tooltip="The settings, for Train.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, recipe, preset, steps, batch, accumulate, learning_rate, precision, trains, seed, processes, init_model,
        controlnet, vae, clip_folder="", sample_every=250, checkpoint_every=500, more="", positive=None,
    ) -> io.NodeOutput:  # fmt: skip
        given = {
            "steps": steps or None, "batch": batch or None, "accumulate": accumulate or None,
            "lr": learning_rate or None, "precision": chosen(precision), "trains": chosen(trains), "seed": seed,
            "sample_every": sample_every, "checkpoint_every": checkpoint_every,
        }  # fmt: skip
        model = files({"init": init_model, "controlnet": controlnet, "vae": vae}, clip_folder) | words(recipe, positive)
        return io.NodeOutput({"settings": settings_of(recipe, preset, given, model, more), "processes": processes})


def chosen(value: str) -> str | None:
    return None if value == FROM_PRESET else value


def files(names: dict[str, str], clip: str) -> dict[str, str]:
    """The paths of what a run starts from."""
    found = {part: host.find_file(name, *MODELS[part]) for part, name in names.items() if name != NONE}
    return found | ({"clip": existing_folder(clip, host.models_folder("clip_vision"))} if clip.strip() else {})


def words(recipe: str, positive: list | None) -> dict[str, str]:
    """The file of a prompt's tokens, for the recipe that reads one."""
    if positive is None:
        return {}
    if recipe != "one_shot":
        raise ValueError(f"The recipe {recipe} reads no prompt: disconnect positive, or set recipe to one_shot.")
    return {"text": host.keep_prompt(positive)}


def settings_of(recipe: str, size: str, given: dict, model: dict, more: str) -> dict:
    """Preset, then what is given, then `more`; checked as launch.py will check it."""
    made = preset(recipe, size) | {name: value for name, value in given.items() if value is not None}
    made |= start_from(recipe, model, given["trains"], made.get("model"))
    if given["steps"]:
        made["warmup"] = min(made["warmup"], given["steps"] // 10)
    for name, value in extras(more).items():
        made[name] = made.get(name, {}) | value if name in ("model", "losses") and isinstance(value, dict) else value
    RunSettings.from_json(json.dumps(made | {"data": {"kind": "stage"}, "folder": "."}))
    return made


def extras(more: str) -> dict:
    """The JSON of `more`; where a run lies and what it reads is said elsewhere."""
    try:
        values = json.loads(more) if more.strip() else {}
    except json.JSONDecodeError as error:
        raise ValueError(f'more holds no JSON: {error}. Write it as {{"ema": 0.999}}.') from error
    if not isinstance(values, dict) or {"data", "folder", "recipe"} & set(values):
        raise ValueError('more holds names with values, such as {"ema": 0.999}, without data, folder and recipe.')
    return values


NODES = [TrainingDataNode, TrainingSettingsNode]
