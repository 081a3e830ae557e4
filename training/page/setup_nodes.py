"""The nodes that collect the data and the settings of a run; nothing runs yet."""

import json
from pathlib import Path

from comfy_api.latest import io

from . import host
from .limits import MODEL
from .presets import PAPER, RECIPE_NAMES, SIZES, name_of, preset, start_from
from .settings import PRECISIONS, TRAINS, RunSettings

TrainingData = io.Custom("DUET_TRAINING_DATA")  # the `data` of run settings: {"kind": ..., ...}
TrainingSettings = io.Custom("DUET_TRAINING_SETTINGS")  # {"settings": run settings without data, "processes": int}
# What the artist chooses, and the kind of data in run settings.
KINDS = {
    "test videos": "stage", "clip folder": "folder", "videos with depth": "videos", "labelled clips": "labelled",
    "DisCo": "disco", "DisCo TSV": "disco_tsv", "MUG": "mug", "MHAD": "mhad", "NATOPS": "natops",
    "WebDataset shards": "shards",
}  # fmt: skip
NONE, AUTO = "none", "auto"
MODELS = {
    "init": ("diffusion_models", "duet_models", "checkpoints", "flow_models"),
    "controlnet": ("controlnet", "duet_controlnets"),
    "vae": ("vae", "checkpoints", "flow_models"),
}
CLIP_BYTES = 9  # of a pixel of a stage clip in memory
KEPT = 4 << 30  # bytes of clips that are kept in memory


def source_inputs(source: str) -> list:
    """The inputs of one source of data besides size and frames."""
    if KINDS[source] == "stage":
        return [
            io.Int.Input(
                "clips", default=512, min=1, max=100000, step=1, tooltip="How many different clips the stage renders.",
            ),
            io.Int.Input(
                "first_seed", default=1000, min=1000, max=0x7FFFFFFF, step=1, advanced=True,
                tooltip="Seed of the first clip; the others follow. Seeds below 1000 are reserved for tests.",
            ),
        ]  # fmt: skip
    return [
        io.String.Input("path", default="", tooltip="The folder of the clips: its full path, or one inside the input folder."),
        io.Int.Input(
            "interval", default=1, min=1, max=16, step=1, advanced=True,
            tooltip="Uses every n-th frame, for footage with a high frame rate.",
        ),
    ]  # fmt: skip


class TrainingDataNode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetTrainingData",
            display_name="Training Data",
            category="Duet Training",
            description="The clips to train on: rendered by the stage, which needs no files, or from a folder of your own "
            "with depth, pose and masks. launch.py --check lists the clips of a folder that cannot be used.",
            search_aliases=["dataset", "training set", "clip folder", "train on my clip", "TikTok dataset", "DisCo dataset"],
            inputs=[
                io.DynamicCombo.Input(
                    "data_source", options=[io.DynamicCombo.Option(name, source_inputs(name)) for name in KINDS],
                    tooltip="test videos: rendered, with exact depth, no files needed. clip folder: one folder for each clip, with rgb, depth, "
                    "pose and mask pictures. videos with depth: videos with a depth video beside each. labelled clips: "
                    "videos sorted into one folder for each label. WebDataset shards: tar files of videos with depth. The others are public "
                    "data sets as they are distributed.",
                ),
                io.Int.Input(
                    "size", default=128, min=32, max=1024, step=8,
                    tooltip="Width and height in pixels. Clips are cropped to a square and resized to it.",
                ),
                io.Int.Input("frames", default=8, min=1, max=64, step=1, tooltip="Number of frames in a training clip."),
            ],
            outputs=[TrainingData.Output(display_name="training_data", tooltip="The data, for Train Model.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, data_source, size, frames) -> io.NodeOutput:
        kind = KINDS[data_source["data_source"]]
        shape = {"kind": kind, "size": size, "frames": frames}
        if kind == "stage":
            clips = data_source["clips"]
            kept = clips * frames * size * size * CLIP_BYTES <= KEPT
            stage = {"clips": clips, "first_seed": data_source["first_seed"], "in_memory": kept}
            return io.NodeOutput(shape | stage)
        folder = existing_folder(data_source["path"], host.input_folder())
        return io.NodeOutput(shape | {"path": folder, "interval": data_source["interval"]})


def existing_folder(path: str, around: Path) -> str:
    """A folder of the user's disk, or one inside a folder of the host."""
    folder = (around / Path(path).expanduser()).resolve()
    if not path.strip() or not folder.is_dir():
        raise ValueError(f"Expected a folder, got {path!r}, which is none: give its full path, or one inside {around}.")
    return str(folder)


class TrainingSettingsNode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        names = {part: [NONE, *host.list_files(*kinds)] for part, kinds in MODELS.items()}
        return io.Schema(
            node_id="DuetTrainingSettings",
            display_name="Training Settings",
            category="Duet Training",
            description="How to train: what to train, a preset for the memory of your GPU, and what should differ from it. "
            "The three recipes of video and depth follow each other, each from the model of the one before.",
            search_aliases=[
                "hyperparameters", "learning rate", "IDOL stages", "HAOP", "training preset", "train vae", "train lora",
                "Tune-A-Video", "one-shot", "tune on one clip", "tune a clip", "fine-tune",
            ],
            inputs=[
                io.Combo.Input(
                    "recipe", options=list(RECIPE_NAMES), default=next(iter(RECIPE_NAMES)),
                    tooltip="What to train. video tuning: one clip and its prompt, on an existing model. autoencoder: "
                    "the small VAE. video and depth 1 to 3, one after the other: a model of video and depth, from pictures "
                    "of a person placed in a scene, then pictures with depth, then clips. depth and words: a small picture model. flow 1 and 2: the autoencoder and "
                    "the model that animate a still. character swap: a character in a scene and a motion. Wan 2.2 pair: a video with "
                    "its depth, skeleton or segmentation, on Wan 2.2.",
                ),
                io.Combo.Input(
                    "preset", options=[*SIZES, *PAPER], default=SIZES[0],
                    tooltip="Memory of your GPU, or CPU, or the settings that LFDM was published with for one data set. It "
                    "sets everything below that is 0 or auto.",
                ),
                io.Combo.Input(
                    "start_model", options=names["init"], default=NONE,
                    tooltip="The model to start from: Stable Diffusion 1, or the result of an earlier recipe. none starts a "
                    "small new model for 128 pixels. Video tuning needs one: Stable Diffusion 1, 2 with depth, or duet_words_128.",
                ),
                io.Combo.Input(
                    "vae_name", options=names["vae"], default=NONE,
                    tooltip="The VAE of the model, or the checkpoint that contains it; for flow 2 the flow autoencoder. Not "
                    "needed to train an autoencoder.",
                ),
                io.Int.Input(
                    "steps", default=0, min=0, max=10_000_000, step=1,
                    tooltip="Number of updates in the whole run. 0 uses the preset's.",
                ),
                io.Conditioning.Input(
                    "positive", optional=True,
                    tooltip="The prompt that describes the clip, for video tuning: from CLIP Text Encode with the text encoder "
                    "of the start model. For the Wan 2.2 pair: the prompt of all clips, from Encode Prompt (Wan 2.2 Pair).",
                ),
                io.Int.Input(
                    "batch_size", default=0, min=0, max=4096, step=1, advanced=True,
                    tooltip="Examples that one process computes at once. 0 uses the preset's; lower it when memory runs out.",
                ),
                io.Int.Input(
                    "gradient_accumulation", default=0, min=0, max=4096, step=1, advanced=True,
                    tooltip="Batches for one update: 4 trains like a batch four times as large, in the memory of one. 0 uses "
                    "the preset's.",
                ),
                io.Float.Input(
                    "learning_rate", default=0.0, min=0.0, max=1.0, step=0.000001, round=False, advanced=True,
                    tooltip="Size of an update, such as 0.0001. 0 uses the preset's.",
                ),
                io.Combo.Input(
                    "precision", options=[AUTO, *PRECISIONS], default=AUTO, advanced=True,
                    tooltip="Number format: bf16 is fast on GPUs since 2020, fp16 on older ones, fp32 is exact.",
                ),
                io.Combo.Input(
                    "trained_weights", options=[AUTO, *TRAINS], default=AUTO, advanced=True,
                    tooltip="all: every weight. adapters: only the layers for motion and depth. lora: a LoRA. The last two "
                    "need a start_model. In video tuning, all means the queries and the layers over time.",
                ),
                io.Int.Input(
                    "seed", default=0, min=0, max=0xFFFFFFFF, step=1, advanced=True,
                    tooltip="Random numbers of the first weights and of every example. The same seed trains the same weights.",
                ),
                io.Int.Input(
                    "processes", default=1, min=1, max=16, step=1, advanced=True,
                    tooltip="Number of processes, one for each GPU. Several share the work of an update through torchrun.",
                ),
                io.Combo.Input(
                    "start_controlnet", options=names["controlnet"], default=NONE, advanced=True,
                    tooltip="The pose ControlNet to start from. none copies it from the model.",
                ),
                io.String.Input(
                    "clip_vision_folder", default="", advanced=True,
                    tooltip="Folder of a CLIP vision model with its config.json, for models as large as Stable "
                    "Diffusion: its full path, or one in models/clip_vision. Empty: the VAE encodes the person.",
                ),
                io.Int.Input(
                    "sample_every", default=250, min=0, max=1_000_000, step=1, advanced=True,
                    tooltip="Steps between two sample pictures. 0 draws none.",
                ),
                io.Int.Input(
                    "checkpoint_every", default=500, min=1, max=1_000_000, step=1, advanced=True,
                    tooltip="Steps between two checkpoints, which is the most that a power failure can lose. Cancel saves one.",
                ),
                io.String.Input(
                    "extra_settings", default="", multiline=True, advanced=True,
                    tooltip='Any other run settings as JSON, such as {"ema": 0.999, "losses": {"motion": 0.02}}. '
                    "The help page lists them.",
                ),
            ],
            outputs=[TrainingSettings.Output(display_name="training_settings", tooltip="The settings, for Train Model.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, recipe, preset, start_model, vae_name, steps, batch_size, gradient_accumulation, learning_rate, precision,
        trained_weights, seed, processes, start_controlnet, clip_vision_folder, sample_every, checkpoint_every,
        extra_settings, positive=None,
    ) -> io.NodeOutput:  # fmt: skip
        recipe = RECIPE_NAMES[recipe]
        chosen_values = {
            "steps": steps or None, "batch": batch_size or None, "accumulate": gradient_accumulation or None,
            "lr": learning_rate or None, "precision": chosen(precision), "trains": chosen(trained_weights), "seed": seed,
            "sample_every": sample_every, "checkpoint_every": checkpoint_every,
        }  # fmt: skip
        model = files({"init": start_model, "controlnet": start_controlnet, "vae": vae_name}, clip_vision_folder)
        model |= prompt_file(recipe, positive)
        settings = settings_of(recipe, preset, chosen_values, model, extra_settings)
        return io.NodeOutput({"settings": settings, "processes": processes})


def chosen(value: str) -> str | None:
    return None if value == AUTO else value


def files(names: dict[str, str], clip: str) -> dict[str, str]:
    """The paths of the files that a run starts from."""
    found = {part: host.find_file(name, *MODELS[part]) for part, name in names.items() if name != NONE}
    return found | ({"clip": existing_folder(clip, host.models_folder("clip_vision"))} if clip.strip() else {})


def prompt_file(recipe: str, positive: list | None) -> dict[str, str]:
    """The file of a prompt's tokens, for the recipes that read one."""
    if positive is None:
        return {}
    readers = [one for one, known in MODEL.items() if "text" in known]
    if recipe not in readers:
        names = " or ".join(map(name_of, readers))
        raise ValueError(f"The recipe {name_of(recipe)} uses no prompt: disconnect positive, or set recipe to {names}.")
    return {"text": host.write_prompt(positive)}


def settings_of(recipe: str, size: str, chosen_values: dict, model: dict, extra: str) -> dict:
    """The preset, overridden by chosen values, then by the extra settings; checked as in launch.py."""
    run = preset(recipe, size) | {name: value for name, value in chosen_values.items() if value is not None}
    run |= start_from(recipe, model, chosen_values["trains"], run.get("model"))
    if chosen_values["steps"]:
        run["warmup"] = min(run["warmup"], chosen_values["steps"] // 10)
    for name, value in read_extra(extra).items():
        run[name] = run.get(name, {}) | value if name in ("model", "losses") and isinstance(value, dict) else value
    RunSettings.from_json(json.dumps(run | {"data": {"kind": "stage"}, "folder": "."}))
    return run


def read_extra(text: str) -> dict:
    """The JSON of extra_settings; the folder, the data and the recipe of a run come from their own inputs."""
    try:
        values = json.loads(text) if text.strip() else {}
    except json.JSONDecodeError as error:
        raise ValueError(f'extra_settings: expected JSON such as {{"ema": 0.999}}, got {error}.') from error
    if not isinstance(values, dict) or {"data", "folder", "recipe"} & set(values):
        raise ValueError(
            'extra_settings: expected names with values, such as {"ema": 0.999}, without data, folder and recipe.'
        )
    return values


NODES = [TrainingDataNode, TrainingSettingsNode]
