"""The picture and the words that a latent flow model (LFDM) is told."""

import torch
from comfy_api.latest import io

from ..host.files.folders import find_file, list_files
from ..host.types import FlowCodec

CATEGORY = "Duet/flow"
TEXT_FOLDERS = ("flow_models", "text_encoders")
OWN_LABELS = "labels of the model"


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
        from ..host.lfdm.model import with_picture
        from ..inputs import checks

        features = codec.features(checks.rgb(picture, "picture"))
        return io.NodeOutput(*(with_picture(conditioning, features) for conditioning in (positive, negative)))


def text_vector(model, text: str, vectors_name: str, bert_folder: str) -> torch.Tensor:
    """(1, width) of a text: from BERT in a folder, from a file of vectors, or from the model's own labels."""
    from ...models.lfdm.labels import is_nothing, open_labels
    from ..host.lfdm.text import bert_vector

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
        from ..host.lfdm.model import check_text, flow_of, text_conditioning

        model = flow_of(model)
        vector = text_vector(model, text, vectors_name, bert_folder.strip())
        check_text(vector, model.flow)
        return io.NodeOutput(text_conditioning(vector))
