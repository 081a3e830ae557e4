"""One-shot video: depth and words of a fixed vocabulary as conditioning, and tunings on one clip."""

from comfy_api.latest import io

from ..models.choices import CHANNEL_RANGES
from .host.folders import find_file, list_files, stamp

FOLDERS = ("model_patches", "diffusion_models")


def grey(depth, depth_range: str):
    """(N, H, W, 3) depth pictures to (N, H, W); taken as given they must lie in 0..1."""
    from . import checks

    depth = checks.depth(depth)
    checks.finite(depth, "depth")
    if depth_range == "as given" and (largest := depth.abs().max().item()) > 1.5:
        raise ValueError(
            f"depth: expected values from 0 to 1 to be taken as given, got up to {largest:g}: put Normalize Depth Clip in "
            "front, or set depth_range to clip."
        )
    return depth


class EncodeDepthCondition(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEncodeDepthCondition",
            display_name="Encode Depth Condition",
            category="Duet/conditioning",
            description="Tells a model with a depth channel, such as Stable Diffusion 2 with depth, how far everything is: "
            "the depth joins the noise as a fifth channel, in clips and in still pictures.",
            search_aliases=["depth2img", "SD2 depth", "depth channel", "depth map", "depth conditioning", "MiDaS"],
            inputs=[
                io.Conditioning.Input("positive", tooltip="The prompt, from the CLIP of the same checkpoint."),
                io.Conditioning.Input("negative", tooltip="The negative prompt; it gets the same depth."),
                io.Image.Input(
                    "depth",
                    tooltip="Grey inverse depth, near is white, as from MiDaS or Normalize Depth Clip: one picture for the "
                    "whole clip, or one for each frame, in the shape of the video.",
                ),
                io.Combo.Input(
                    "depth_range", options=list(CHANNEL_RANGES), default=CHANNEL_RANGES[0],
                    tooltip="clip: the nearest and farthest of all frames become the ends, so still things keep their "
                    "depth. frame: of each frame by itself, as the model was trained on pictures. as given: black and "
                    "white are the ends, so that Remap Depth in front of it counts.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The positive with the depth."),
                io.Conditioning.Output(display_name="negative", tooltip="The negative with the same depth."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, positive, negative, depth, depth_range) -> io.NodeOutput:
        from .host.conditioning import with_depth

        depth = grey(depth, depth_range)
        return io.NodeOutput(*(with_depth(conditioning, depth, depth_range) for conditioning in (positive, negative)))


def with_tuning(model, path) -> tuple:
    """A MODEL with a tuning in it and the report of the file."""
    from ..models.checkpoint import add_tuning
    from .host.model import native_model, weights_of

    config, state, report = add_tuning(*weights_of(model), path)
    return native_model(config, state), report


class LoadOneShotTuning(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadOneShotTuning",
            display_name="Load One-Shot Tuning",
            category="Duet/loaders",
            description="Puts what was tuned on one clip into the picture model that it was tuned on: the frames of a "
            "batch then move as in that clip. Put LoRAs after this node.",
            search_aliases=["Tune-A-Video", "one-shot", "tuned clip", "video editing", "delta"],
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="The model that was tuned, from Load Video Model. Another tuning in it is replaced.",
                ),
                io.Combo.Input(
                    "tuning_name", options=list_files(*FOLDERS),
                    tooltip="A .safetensors file in models/model_patches or models/diffusion_models. Convert "
                    "Checkpoint makes one of a .pth of Tune-A-Video.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The tuned model: a batch is one clip."),
                io.String.Output(
                    display_name="report", tooltip="What the file holds and whether it fits, for Preview as Text.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, model, tuning_name) -> str:
        return stamp(tuning_name, *FOLDERS)

    @classmethod
    def execute(cls, model, tuning_name) -> io.NodeOutput:
        model, report = with_tuning(model, find_file(tuning_name, *FOLDERS))
        return io.NodeOutput(model, report.text)


class EncodeStageWords(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEncodeStageWords",
            display_name="Encode Stage Words",
            category="Duet/conditioning",
            description="Turns a sentence into conditioning for a small model that knows a few dozen words and needs no "
            "text encoder, such as duet_words_128. An unknown word is refused with the list of those that it knows.",
            search_aliases=["prompt", "CLIP Text Encode", "caption", "vocabulary", "text encoder", "demo model"],
            inputs=[
                io.Model.Input("model", tooltip="The model whose words are used, from Load Video Model."),
                io.String.Input(
                    "text", default="a tall person in a red shirt and blue trousers dances in a green room",
                    multiline=True, dynamic_prompts=True,
                    tooltip="What is to be seen, as Render Stage Clip writes its captions. Leave it empty for the negative.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(
                    display_name="conditioning", tooltip="The words, for Encode Depth Condition and KSampler.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, model, text) -> io.NodeOutput:
        from ..models.words import word_tokens
        from .host.model import words_of

        return io.NodeOutput([[word_tokens(text, words_of(model))[None], {}]])


NODES = [EncodeDepthCondition, LoadOneShotTuning, EncodeStageWords]
