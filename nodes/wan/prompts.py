"""The prompts of both streams as one conditioning."""

from comfy_api.latest import io

from ...models.wan.sentences import SENTENCES
from .loaders import CATEGORY

NAMES = {
    "depth": "depth",
    "optical flow": "raft",
    "segmentation": "segmentation",
    "skeleton": "skeleton",
    "body surface": "densepose",
}


class EncodeWanPrompt(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEncodeWanPrompt",
            display_name="Encode Prompt (Wan 2.2 Pair)",
            category=CATEGORY,
            description="Encodes the prompt of the video, and the fixed sentence of what the second clip shows, by the text "
            "encoder of Wan, as one conditioning for a pair on Wan 2.2.",
            search_aliases=["UnityVideo", "CLIP Text Encode", "prompt", "modality", "depth prompt", "wan prompt"],
            inputs=[
                io.Clip.Input(
                    "clip",
                    tooltip="umT5-XXL from Load CLIP with the type wan; for a small model with a vocabulary of its own the "
                    "clip output of Load Wan 2.2 Pair.",
                ),
                io.String.Input(
                    "prompt", multiline=True, dynamic_prompts=True,
                    tooltip="What the video shows. Empty for the negative.",
                ),
                io.Combo.Input(
                    "second_clip", options=list(NAMES), default="depth",
                    tooltip="What the second clip shows, beside the video. Choose the same for positive and negative.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(
                    display_name="conditioning", tooltip="For positive or negative of KSampler, with the model of Load Wan 2.2 Pair."
                )
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, clip, prompt, second_clip) -> io.NodeOutput:
        from ..host.wan.conditioning import encode_pair

        shown = NAMES[second_clip]
        return io.NodeOutput(encode_pair(clip, prompt, SENTENCES[shown], shown))
