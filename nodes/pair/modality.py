"""Video and depth together, or one of them alone."""

from comfy_api.latest import io

from ...models.choices import MODALITIES

BOTH = "video and depth"


class SelectModality(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetSelectModality",
            display_name="Select Video or Depth",
            category="Duet/video and depth",
            description="Makes a model of video and depth sample only the video or only the depth, in half the time and "
            "memory. To get depth for a clip that you have, use task in KSampler (Auto Settings) instead.",
            search_aliases=["video only", "depth only", "modality", "half memory", "faster sampling", "set modality"],
            inputs=[
                io.Model.Input("model", tooltip="A model of video and depth, from Load Video Model."),
                io.Combo.Input(
                    "modality", options=[BOTH, *(f"{name} only" for name in MODALITIES)], default=BOTH,
                    tooltip="What the model samples. With 'video and depth' both agree with each other; with one of them "
                    "only, no picture of the other exists. Choose one to save time and memory.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model", tooltip="The same model with this choice. Connect Empty Latent for Model after it."
                )
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, model, modality) -> io.NodeOutput:
        from ..host.unet.model import set_modality

        return io.NodeOutput(set_modality(model, None if modality == BOTH else modality.removesuffix(" only")))
