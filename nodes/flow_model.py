"""Latent flow models (LFDM) as nodes: the picture and the words they are told, and their latent."""

import torch
from comfy_api.latest import io

from .host.folders import find_file, list_files
from .host.types import Flow, FlowCodec

CATEGORY = "Duet/flow"
TEXT_FOLDERS = ("flow_models", "text_encoders")
OWN_LABELS = "labels of the model"
SHRINK = 4  # pixels of a picture for one point of its flow


class EncodePictureForFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEncodePictureForFlow",
            display_name="Encode Picture for Flow",
            category=CATEGORY,
            description="Tells a flow model which picture it moves. The picture is encoded once, not at every step.",
            search_aliases=["reference picture", "first frame", "image to video conditioning", "LFDM"],
            inputs=[
                FlowCodec.Input("codec", tooltip="The codec that belongs to the flow model."),
                io.Image.Input(
                    "picture",
                    tooltip="The still picture, or one for each clip of the batch. Released models know squares of 128 "
                    "pixels.",
                ),
                io.Conditioning.Input("positive", tooltip="What shall happen, from Encode Motion Text."),
                io.Conditioning.Input(
                    "negative", tooltip="Encode Motion Text without a text. It gets the same picture."
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The positive with the picture."),
                io.Conditioning.Output(display_name="negative", tooltip="The negative with the picture."),
            ],
        )

    @classmethod
    def execute(cls, codec, picture, positive, negative) -> io.NodeOutput:
        from . import checks
        from .host.flow_model import with_picture

        features = codec.features(checks.rgb(picture, "picture"))
        return io.NodeOutput(*(with_picture(conditioning, features) for conditioning in (positive, negative)))


def text_vector(model, text: str, vectors_name: str, bert_folder: str) -> torch.Tensor:
    """(1, width) of a text: from BERT in a folder, from a file of vectors, or from the model's own labels."""
    from ..models.flow_labels import is_nothing, open_labels
    from .host.flow_text import bert_vector

    if is_nothing(text):
        return torch.zeros(1, model.flow.text_width)
    if bert_folder:
        return bert_vector(bert_folder, text)
    if vectors_name != OWN_LABELS:
        return open_labels(find_file(vectors_name, *TEXT_FOLDERS)).vector(text)
    if model.labels is None:
        raise ValueError(
            "This flow model brings no labels of its own: name a local bert_folder with bert-base-cased, or choose a "
            "file with the vectors of its labels in vectors_name."
        )
    return model.labels.vector(text)


class EncodeMotionText(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEncodeMotionText",
            display_name="Encode Motion Text",
            category=CATEGORY,
            description="Tells a flow model what shall happen: one of the labels that it knows, or for released models a "
            "sentence read by BERT. Nothing is downloaded.",
            search_aliases=["motion prompt", "action label", "BERT", "expression", "gesture", "LFDM"],
            inputs=[
                io.Model.Input("model", tooltip="The flow model, which may bring its own labels."),
                io.String.Input(
                    "text", default="",
                    tooltip="What shall happen, such as wave. Empty means no text: use that for the negative. A label "
                    "that the model does not know is refused with a list of those it does.",
                ),
                io.Combo.Input(
                    "vectors_name", options=[OWN_LABELS, *list_files(*TEXT_FOLDERS)], default=OWN_LABELS,
                    tooltip="Where the vector of a label comes from: the model's own file, or a .safetensors file of "
                    "stored BERT vectors in models/flow_models or models/text_encoders.",
                ),
                io.String.Input(
                    "bert_folder", default="", optional=True,
                    tooltip="For released models: a folder with bert-base-cased as transformers saves it, by its full "
                    "path or by its name in models/text_encoders. It reads any sentence and goes before the rest.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="conditioning", tooltip="For Encode Picture for Flow."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, model, text, vectors_name, bert_folder="") -> io.NodeOutput:
        from .host.flow_model import check_text, flow_of, text_conditioning

        model = flow_of(model)
        vector = text_vector(model, text, vectors_name, bert_folder.strip())
        check_text(vector, model.flow)
        return io.NodeOutput(text_conditioning(vector))


class EmptyFlowLatent(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEmptyFlowLatent",
            display_name="Empty Flow Latent",
            category=CATEGORY,
            description="An empty latent that a flow model fills with the motion of a picture.",
            search_aliases=["empty latent", "LFDM", "frames"],
            inputs=[
                io.Int.Input(
                    "width", default=128, min=16, max=4096, step=32,
                    tooltip="Width of the picture in pixels. Released models take multiples of 32 and know 128.",
                ),
                io.Int.Input(
                    "height", default=128, min=16, max=4096, step=32, tooltip="Height of the picture in pixels."
                ),
                io.Int.Input(
                    "frames", default=40, min=1, max=1024, step=1,
                    tooltip="How many frames the clip has, the picture itself among them. Released models know 40.",
                ),
                io.Int.Input(
                    "batch_size", default=1, min=1, max=64, step=1, tooltip="How many clips to dream up in one go."
                ),
            ],
            outputs=[io.Latent.Output(display_name="flow_latent", tooltip="For KSampler with a flow model.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, width, height, frames, batch_size) -> io.NodeOutput:
        from ..models.lfdm.codec import check_picture

        check_picture(torch.empty(height, width, device="meta"), SHRINK, "the picture")
        samples = torch.zeros(batch_size, 3, frames, height // SHRINK, width // SHRINK)
        return io.NodeOutput({"samples": samples, "downscale_ratio_spacial": SHRINK})


class DecodeFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDecodeFlow",
            display_name="Decode Flow",
            category=CATEGORY,
            description="Reads the motion out of a sampled flow latent: for every frame, where in the picture each point "
            "comes from, and whether it is seen there.",
            search_aliases=["latent to flow", "flow field", "LFDM", "optical flow"],
            inputs=[
                io.Latent.Input("flow_latent", tooltip="What a flow model sampled."),
                io.Int.Input(
                    "clip", default=0, min=0, max=63, step=1, tooltip="Which clip of the batch, counted from 0."
                ),
            ],
            outputs=[Flow.Output(display_name="flow", tooltip="A quarter as large as the picture.")],
        )

    @classmethod
    def execute(cls, flow_latent, clip) -> io.NodeOutput:
        from ..models.flow_fields import from_grid
        from ..models.lfdm.state import motion_of

        state = sampled(flow_latent["samples"], clip)
        offset, share = from_grid(*(part[0] for part in motion_of(state)))
        return io.NodeOutput({"to_picture": offset, "to_picture_valid": share.clamp(0, 1)})


def sampled(samples: torch.Tensor, clip: int) -> torch.Tensor:
    """(1, 3, F, h, w) of one clip of a flow latent."""
    from . import checks

    if getattr(samples, "is_nested", False) or samples.ndim != 5 or samples.shape[1] != 3:
        raise ValueError(
            f"flow_latent: expected a flow latent (clips, 3, frames, height, width), got {checks.describe(samples)}: "
            "connect a KSampler with a flow model."
        )
    if clip >= len(samples):
        raise ValueError(
            f"clip: expected a number below {len(samples)}, as many clips are there, got {clip}: lower it."
        )
    checks.finite(samples[clip].transpose(0, 1), "flow_latent")
    return samples[clip : clip + 1].float()


NODES = [EncodePictureForFlow, EncodeMotionText, EmptyFlowLatent, DecodeFlow]
