"""Video and depth together, or one of them alone."""

from comfy_api.latest import io

from ...models.choices import MODALITIES

CATEGORY = "Duet/sampling"
JOINT = "joint"


class SetModality(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetSetModality",
            display_name="Set Modality",
            category=CATEGORY,
            description="Lets a model of video and depth sample both together, or only one of them at half the time "
            "and memory. For one of them connect an ordinary latent with one entry for each frame, no pair.",
            search_aliases=["video only", "depth only", "modality label", "half cost"],
            inputs=[
                io.Model.Input("model", tooltip="A model of video and depth, from Load Video Model."),
                io.Combo.Input(
                    "modality", options=[JOINT, *(f"{name} only" for name in MODALITIES)], default=JOINT,
                    tooltip="joint samples a pair, so that video and depth agree. video only and depth only sample "
                    "one clip; the other does not exist then, so nothing keeps the two alike.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="The model, set to what was chosen.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, model, modality) -> io.NodeOutput:
        from ..host.unet.model import set_modality

        return io.NodeOutput(set_modality(model, modality.removesuffix(" only")))
