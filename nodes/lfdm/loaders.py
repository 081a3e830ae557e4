"""Loaders of latent flow models (LFDM): the host's MODEL and CLIP, and the flow autoencoder."""

from comfy_api.latest import io

from ..host.files.folders import find_file, list_files, stamp
from ..host.types import FlowAutoencoder

CATEGORY = "Duet/models"
FOLDERS = ("flow_models",)
TEXT_FOLDERS = ("flow_models", "text_encoders")
AUTO = "auto"
PADDINGS = {AUTO: None, "3 (MUG)": 3, "0 (MHAD, NATOPS)": 0}


def open_flow(path: str, disable_dynamic: bool = False) -> tuple:
    """The MODEL in a file and the report on it; the host calls this again when it needs a fresh copy."""
    from ...models.lfdm.labels import open_flow_model
    from ..host.lfdm.model import native_flow_model
    from ..host.recommended import with_recommended

    config, state, report, labels = open_flow_model(path)
    source = (open_flow, (path,), 0)
    model = native_flow_model(config, state, labels=labels, source=source, disable_dynamic=disable_dynamic)
    return with_recommended(model, path), report.text


def open_autoencoder(path: str, padding: str) -> tuple:
    """The flow autoencoder in a file and the report on it."""
    from ...models.lfdm import checkpoint
    from ..host.lfdm.autoencoder import HostAutoencoder

    config, state, report = checkpoint.open_autoencoder(path, PADDINGS[padding])
    return HostAutoencoder(checkpoint.load(config, state)), report.text


def open_clip(model, label_name: str, bert_folder: str):
    """The CLIP of a flow model: its own labels, those of a file, or BERT."""
    from ...models.lfdm.labels import open_labels
    from ..host.lfdm.text import check_width, motion_encoder

    width, labels = model.model.flow.text_width, model.model.labels
    if label_name != AUTO:
        labels = open_labels(find_file(label_name, *TEXT_FOLDERS))
        check_width(labels.vectors, width, f"label_name: {label_name}")
    return motion_encoder(width, labels, bert_folder.strip())


def check_pair(autoencoder, model) -> None:
    """A model takes the features of its own autoencoder only."""
    given, taken = autoencoder.config.feature_width, model.model.flow.feature_width
    if given != taken:
        raise ValueError(
            f"The autoencoder encodes pictures to {given} channels but the flow model takes {taken}: choose the two files "
            "that belong together, such as LFAE_MUG.pth and DM_MUG.pth."
        )


def file_input(name: str, shipped: str, tooltip: str) -> io.Combo.Input:
    """A list of flow files that starts with the pack's own, where it is there."""
    options = list_files(*FOLDERS)
    return io.Combo.Input(name, options=options, default=shipped if shipped in options else None, tooltip=tooltip)


def autoencoder_input() -> io.Combo.Input:
    return file_input(
        "autoencoder_name", "duet_flow_codec_64.safetensors",
        tooltip="The flow autoencoder in models/flow_models: duet_flow_codec_64 of this pack, or a released LFAE file of "
        "LFDM. It must belong to the flow model.",
    )  # fmt: skip


def padding_input() -> io.Combo.Input:
    return io.Combo.Input(
        "heat_map_padding", options=list(PADDINGS), default=AUTO, advanced=True,
        tooltip="Padding that a released autoencoder was trained with, which its file does not show; it changes Estimate "
        "Flow only. auto: 3 for released files, the stored value for files of Duet. Choose 0 for LFAE_MHAD and LFAE_NATOPS.",
    )  # fmt: skip


class LoadFlowModel(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadFlowModel",
            display_name="Load Flow Model",
            category=CATEGORY,
            description="Loads a latent flow model (LFDM), which animates a still image by an action such as wave: the "
            "model for KSampler, its text encoder, and the autoencoder that renders the clip.",
            search_aliases=[
                "image to video", "animate image", "animate picture", "animate still", "picture to motion", "LFDM",
                "latent flow diffusion", "DM_MUG", "LFAE", "flow sampler", "wave", "motion prompt", "BERT",
            ],
            inputs=[
                file_input(
                    "model_name", "duet_flow_64.safetensors",
                    tooltip="The flow model in models/flow_models: duet_flow_64 of this pack, or a released DM file of LFDM.",
                ),
                autoencoder_input(),
                padding_input(),
                io.Combo.Input(
                    "label_name", options=[AUTO, *list_files(*TEXT_FOLDERS)], default=AUTO, advanced=True,
                    tooltip="Source of the labels that prompts may use. auto: the model's own. Otherwise a .safetensors file "
                    "of label vectors in models/flow_models or models/text_encoders, for released models.",
                ),
                io.String.Input(
                    "bert_folder", default="", optional=True, advanced=True,
                    tooltip="Name of a folder in models/text_encoders with bert-base-cased, for released models. Prompts can "
                    "then be any sentence, and labels are not used. It is read once, with the first prompt.",
                ),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model",
                    tooltip="For KSampler with Empty Latent for Model. The threshold of LFDM is applied at every step.",
                ),
                io.Clip.Output(
                    display_name="clip",
                    tooltip="For CLIP Text Encode. The prompt is one of the labels in the report, such as wave; an empty "
                    "prompt for the negative.",
                ),
                FlowAutoencoder.Output(
                    display_name="autoencoder",
                    tooltip="For Encode Still Image (Flow), Animate Still by Flow and Estimate Flow.",
                ),
                io.String.Output(display_name="report", tooltip="Contents of both files and the labels, for Preview as Text."),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, model_name, autoencoder_name, heat_map_padding, label_name, bert_folder="") -> str:
        from ..host.lfdm.text import bert_stamp

        stamps = [stamp(name, *FOLDERS) for name in (model_name, autoencoder_name)]
        stamps += [] if label_name == AUTO else [stamp(label_name, *TEXT_FOLDERS)]
        return " ".join([*stamps, bert_stamp((bert_folder or "").strip())])

    @classmethod
    def execute(cls, model_name, autoencoder_name, heat_map_padding, label_name, bert_folder="") -> io.NodeOutput:
        model_file, file = (find_file(name, *FOLDERS) for name in (model_name, autoencoder_name))
        model, found = open_flow(str(model_file))
        autoencoder, found_autoencoder = open_autoencoder(str(file), heat_map_padding)
        check_pair(autoencoder, model)
        clip = open_clip(model, label_name, bert_folder)
        return io.NodeOutput(model, clip, autoencoder, f"{found}\n{found_autoencoder}")


class LoadFlowAutoencoder(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadFlowAutoencoder",
            display_name="Load Flow Autoencoder",
            category=CATEGORY,
            description="Loads only the autoencoder of a latent flow model (LFDM): enough to transfer the motion of a "
            "driving clip to a still image.",
            search_aliases=[
                "LFAE", "LFDM", "motion transfer", "driving video", "flow autoencoder", "face reenactment", "flow codec",
            ],
            inputs=[autoencoder_input(), padding_input()],
            outputs=[
                FlowAutoencoder.Output(display_name="autoencoder", tooltip="For Estimate Flow and Animate Still by Flow."),
                io.String.Output(display_name="report", tooltip="Contents of the file, for Preview as Text."),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, autoencoder_name, heat_map_padding) -> str:
        return stamp(autoencoder_name, *FOLDERS)

    @classmethod
    def execute(cls, autoencoder_name, heat_map_padding) -> io.NodeOutput:
        file = find_file(autoencoder_name, *FOLDERS)
        return io.NodeOutput(*open_autoencoder(str(file), heat_map_padding))
