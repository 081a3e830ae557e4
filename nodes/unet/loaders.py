"""Loaders of video models: each file opens as the host's own MODEL."""

from comfy_api.latest import io

from ..host.files.folders import find_file, list_files, stamp

FOLDERS = ("diffusion_models", "checkpoints")
AS_IN_FILE = "as in file"
ADAPTERS = {
    "video and depth": {
        "modalities": 2, "label": True, "temporal": "native", "cross_modal": "all", "background": "conv",
    },
    "video only": {"temporal": "native"},
    "one-shot": {"temporal": "native", "temporal_place": "after_feed_forward", "self_attention": "sparse_causal"},
    "character": {"in_channels": 12, "reference": True, "motion_code": (16, 32, 96, 256)},
}  # fmt: skip


def open_video_model(path: str, adapters: str, disable_dynamic: bool = False) -> tuple:
    """The MODEL in a file and the text of what was found; the host calls this again when it needs a fresh copy."""
    from ...models.files import open_model
    from ..host.unet.model import native_model

    config, state, report = open_model(path)
    text = report.text
    if adapters != AS_IN_FILE:
        config, state = add_adapters(config, state, adapters)
        text += f"\nAdapters for {adapters} were added. They are silent until they are trained."
        if config.self_attention == "sparse_causal":
            text += " Every frame of a clip already looks at the first frame and at the one before."
        if config.reference:
            text += " The picture of Encode Reference is looked at already, as the model itself sees it."
    source = (open_video_model, (path, adapters), 0)
    return native_model(config, state, source=source, disable_dynamic=disable_dynamic), text


def add_adapters(config, state: dict, adapters: str) -> tuple:
    """The config and the weights of a picture model with silent adapters beside them."""
    from ...models.unet.birth import inflated
    from ...models.unet.switches import with_switches

    if config.pair is not None or config.temporal is not None:
        raise ValueError(
            f"This file already holds a video model, so adapters for {adapters} cannot be added: "
            f"set adapters to {AS_IN_FILE}, or choose a Stable Diffusion model for pictures."
        )
    if adapters == "character" and config.in_channels != config.out_channels:
        raise ValueError(
            f"A character model reads layers beside the noise, but this file already reads {config.in_channels} channels: "
            f"choose a Stable Diffusion model for pictures, with {config.out_channels}."
        )
    config = with_switches(config, **ADAPTERS[adapters])
    return config, inflated(state, config).state_dict()


class LoadVideoModel(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadVideoModel",
            display_name="Load Video Model",
            category="Duet/loaders",
            description="Opens a model of video, or of video and its depth, as a MODEL for KSampler and every other "
            "node of ComfyUI. The text output says what the file was recognised as.",
            search_aliases=[
                "load IDOL", "load AnimateDiff", "load diffusers unet", "inflate", "video depth model", "SD2 depth",
                "depth2img", "Tune-A-Video", "one-shot",
            ],
            inputs=[
                io.Combo.Input(
                    "model_name", options=list_files(*FOLDERS),
                    tooltip="A .safetensors file in models/diffusion_models or models/checkpoints.",
                ),
                io.Combo.Input(
                    "adapters", options=[AS_IN_FILE, *ADAPTERS], default=AS_IN_FILE,
                    tooltip="as in file opens the model as it is. The others add untrained layers for motion, and for "
                    "depth, to a picture model of Stable Diffusion: it then makes the same pictures as before, one by "
                    "one, and is ready to be trained. one-shot is for tuning on a single clip: its frames also look at "
                    "the first frame and at the one before. character adds what reads a character, a scene, what passes in "
                    "front and a motion, for the training recipe mimo.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model",
                    tooltip="The model. One of video and depth samples a pair: connect an Empty Video-Depth Latent.",
                ),
                io.String.Output(
                    display_name="report", tooltip="What the file holds and how it was read, for Preview as Text.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, model_name, adapters) -> str:
        return stamp(model_name, *FOLDERS)

    @classmethod
    def execute(cls, model_name, adapters) -> io.NodeOutput:
        model, report = open_video_model(str(find_file(model_name, *FOLDERS)), adapters)
        return io.NodeOutput(model, report)
