"""The still image that a latent flow model (LFDM) animates, as conditioning."""

from comfy_api.latest import io

from ..host.types import FlowAutoencoder

CATEGORY = "Duet/animate a still"


class EncodeStill(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEncodeStill",
            display_name="Encode Still Image (Flow)",
            category=CATEGORY,
            description="Adds the still image that a flow model animates to the conditioning. It is encoded once, not at "
            "every step.",
            search_aliases=[
                "animate image", "image to video", "animate a still", "wave", "animate picture", "animate still",
                "first frame", "start image", "reference picture", "LFDM",
            ],
            inputs=[
                FlowAutoencoder.Input("autoencoder", tooltip="The autoencoder of the same Load Flow Model."),
                io.Image.Input(
                    "still_image",
                    tooltip="The picture to animate, or one for each clip of the batch. Sides in multiples of 4 pixels. The "
                    "pack's own model suits 64 x 64 pixels, released models 128 x 128.",
                ),
                io.Conditioning.Input(
                    "positive", tooltip="The action as a prompt, from CLIP Text Encode with the clip of Load Flow Model."
                ),
                io.Conditioning.Input(
                    "negative", tooltip="CLIP Text Encode with an empty prompt. It gets the same still image."
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="positive with the still image, for KSampler."),
                io.Conditioning.Output(display_name="negative", tooltip="negative with the still image, for KSampler."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, autoencoder, still_image, positive, negative) -> io.NodeOutput:
        from ..host.lfdm.model import with_still
        from ..inputs import checks

        features = autoencoder.features(checks.rgb(still_image, "still_image"))
        return io.NodeOutput(*(with_still(conditioning, features) for conditioning in (positive, negative)))
