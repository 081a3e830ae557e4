"""Loaders of video models: each file opens as the host's own MODEL."""

from comfy_api.latest import io

from ..host.files.folders import TENSORS_ONLY, find_file, list_files, stamp

FOLDERS = ("diffusion_models", "checkpoints")
NO_LAYERS = "none"
SHIPPED_PAIR = "duet_dance_128.safetensors"
ADDED_LAYERS = {  # switches of the network that each choice sets
    "motion and depth": {
        "modalities": 2, "label": True, "temporal": "native", "cross_modal": "all", "background": "conv",
    },
    "motion": {"temporal": "native"},
    "video tuning": {"temporal": "native", "temporal_place": "after_feed_forward", "self_attention": "sparse_causal"},
    "character": {"in_channels": 12, "reference": True, "motion_code": (16, 32, 96, 256)},
}  # fmt: skip


def open_video_model(path: str, add_untrained_layers: str = NO_LAYERS, disable_dynamic: bool = False) -> tuple:
    """The MODEL in a file and the text of what was found; the host calls this again when it needs a fresh copy."""
    from ...models.files import open_model
    from ..host.recommended import with_recommended
    from ..host.unet.model import native_model

    config, state, report = open_model(path)
    text = report.text
    if add_untrained_layers != NO_LAYERS:
        config, state = with_layers(config, state, add_untrained_layers)
        text += (
            f"\nLayers for {add_untrained_layers} were added. They do not change the pictures until they are trained."
        )
        if config.self_attention == "sparse_causal":
            text += " Every frame of a clip already attends to the first frame and to the previous one."
        if config.reference:
            text += " The character of Encode Character Swap already has an effect: its features come from the same weights."
    source = (open_video_model, (path, add_untrained_layers), 0)
    model = native_model(config, state, source=source, disable_dynamic=disable_dynamic)
    return with_recommended(model, path), text


def with_layers(config, state: dict, add_untrained_layers: str) -> tuple:
    """The config and the weights of a picture model with new layers that do not change its output."""
    from ...models.unet.inflation import inflate_unet
    from ...models.unet.switches import with_switches

    if config.pair is not None or config.temporal is not None:
        raise ValueError(
            f"This file already holds a video model, so layers for {add_untrained_layers} cannot be added: "
            f"set add_untrained_layers to {NO_LAYERS}, or choose a Stable Diffusion model for pictures."
        )
    if add_untrained_layers == "character" and config.in_channels != config.out_channels:
        raise ValueError(
            f"A character model reads layers beside the noise, but this file already reads {config.in_channels} channels: "
            f"choose a Stable Diffusion model for pictures, with {config.out_channels}."
        )
    config = with_switches(config, **ADDED_LAYERS[add_untrained_layers])
    return config, inflate_unet(state, config).state_dict()


class LoadVideoModel(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        files = list_files(*FOLDERS)
        return io.Schema(
            node_id="DuetLoadVideoModel",
            display_name="Load Video Model",
            category="Duet/models",
            description="Opens a model of video, or of video and its depth, as a MODEL for KSampler and the stock nodes "
            "around it. The report says what the file holds and which nodes go with it.",
            search_aliases=[
                "video model", "load model", "load IDOL", "load AnimateDiff", "load diffusers unet", "video depth model",
                "depth model", "SD2 depth", "depth2img", "Tune-A-Video", "one-shot", "inflate",
            ],
            inputs=[
                io.Combo.Input(
                    "model_name", options=files, default=SHIPPED_PAIR if SHIPPED_PAIR in files else None,
                    tooltip=f"A model in models/diffusion_models, models/duet_models or models/checkpoints. {TENSORS_ONLY}",
                ),
                io.Combo.Input(
                    "add_untrained_layers", options=[NO_LAYERS, *ADDED_LAYERS], default=NO_LAYERS, advanced=True,
                    tooltip="Untrained layers to add to a Stable Diffusion model for pictures, as the start of a "
                    "training; until then it generates the same pictures as before. Leave it at none to sample. motion "
                    "and depth, motion: layers over time, with or without a depth clip. video tuning: frames also attend "
                    "to the first frame and to the previous one. character: inputs for a character, a scene, occluders "
                    "and a body.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model",
                    tooltip="The model, for KSampler or KSampler (Auto Settings). Empty Latent for Model gives it the "
                    "latent of the right form.",
                ),
                io.Clip.Output(
                    display_name="clip",
                    tooltip="The text encoder of a small model with a vocabulary of its own, such as duet_words_128, for "
                    "CLIP Text Encode. Empty for other models: take the CLIP of their checkpoint.",
                ),
                io.String.Output(
                    display_name="report", tooltip="What the file holds and how it was read, for Preview as Text.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, model_name, add_untrained_layers) -> str:
        return stamp(model_name, *FOLDERS)

    @classmethod
    def execute(cls, model_name, add_untrained_layers) -> io.NodeOutput:
        from ..host.unet.words import word_encoder

        model, report = open_video_model(str(find_file(model_name, *FOLDERS)), add_untrained_layers)
        return io.NodeOutput(model, word_encoder(model.model.video.words), report)
