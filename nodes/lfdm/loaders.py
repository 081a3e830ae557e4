"""Loaders of latent flow models (LFDM): the model as the host's own MODEL, and its codec."""

from comfy_api.latest import io

from ..host.files.folders import PICKLED, SAFE, find_file, list_files, stamp
from ..host.types import FlowCodec

LOADERS = "Duet/loaders"
FOLDERS = ("flow_models",)
ENDINGS = (*SAFE, *PICKLED)
PADDINGS = {"as in file": None, "3 (MUG)": 3, "0 (MHAD, NATOPS)": 0}


def open_flow(path: str, disable_dynamic: bool = False) -> tuple:
    """The MODEL in a file and the text of what was found; the host calls this again when it needs a fresh copy."""
    from ...models.lfdm.labels import open_flow_model
    from ..host.lfdm.model import native_flow_model
    from ..host.recommended import with_recommended

    config, state, report, labels = open_flow_model(path)
    source = (open_flow, (path,), 0)
    model = native_flow_model(config, state, labels=labels, source=source, disable_dynamic=disable_dynamic)
    return with_recommended(model, path), report.text


def open_codec(path: str, padding: str) -> tuple:
    """The codec in a file and the text of what was found."""
    from ...models.lfdm import checkpoint
    from ..host.lfdm.codec import HostCodec

    config, state, report = checkpoint.open_codec(path, PADDINGS[padding])
    return HostCodec(checkpoint.load(config, state)), report.text


def check_pair(codec, model) -> None:
    """A model reads the pictures of its own codec only."""
    made, read = codec.config.feature_width, model.model.flow.feature_width
    if made != read:
        raise ValueError(
            f"The codec encodes pictures to {made} channels but the flow model reads {read}: choose the two files that "
            "belong together, such as LFAE_MUG.pth and DM_MUG.pth."
        )


def codec_inputs() -> list:
    return [
        io.Combo.Input(
            "codec_name", options=list_files(*FOLDERS, endings=ENDINGS),
            tooltip="The flow auto-encoder in models/flow_models: a released LFAE file, or one of Duet. Of a .pth only "
            "the numbers are read.",
        ),
        io.Combo.Input(
            "heat_map_padding", options=list(PADDINGS), default="as in file",
            tooltip="Only for estimating flow: what the released codec was trained with, which its file does not show. "
            "as in file is 3 for a released file, and what it says for one of Duet.",
        ),
    ]  # fmt: skip


class LoadFlowModel(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadFlowModel",
            display_name="Load Flow Model",
            category=LOADERS,
            description="Opens a latent flow model (LFDM), which dreams up how a still picture moves, as a MODEL for "
            "KSampler, and the codec that turns its flow into a clip.",
            search_aliases=["LFDM", "latent flow diffusion", "image to video", "picture to motion", "DM_MUG", "LFAE"],
            inputs=[
                io.Combo.Input(
                    "model_name", options=list_files(*FOLDERS, endings=ENDINGS),
                    tooltip="The flow model in models/flow_models: a released DM file of LFDM, or one of Duet. Of a .pth "
                    "only the numbers are read.",
                ),
                *codec_inputs(),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model",
                    tooltip="For KSampler, with an Empty Flow Latent. Its threshold against runaway flow is built in.",
                ),
                FlowCodec.Output(display_name="codec", tooltip="For the nodes that encode, estimate and render."),
                io.String.Output(display_name="report", tooltip="What both files hold, for Preview as Text."),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, model_name, codec_name, heat_map_padding) -> str:
        return " ".join(stamp(name, *FOLDERS, endings=ENDINGS) for name in (model_name, codec_name))

    @classmethod
    def execute(cls, model_name, codec_name, heat_map_padding) -> io.NodeOutput:
        model_file, codec_file = (find_file(name, *FOLDERS, endings=ENDINGS) for name in (model_name, codec_name))
        model, found = open_flow(str(model_file))
        codec, found_codec = open_codec(str(codec_file), heat_map_padding)
        check_pair(codec, model)
        return io.NodeOutput(model, codec, f"{found}\n{found_codec}")


class LoadFlowCodec(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadFlowCodec",
            display_name="Load Flow Codec",
            category=LOADERS,
            description="Opens only the codec of a latent flow model: enough to take the motion of a driving clip and "
            "give it to a still picture.",
            search_aliases=["LFAE", "motion transfer", "flow autoencoder", "face reenactment", "LFDM"],
            inputs=codec_inputs(),
            outputs=[
                FlowCodec.Output(display_name="codec", tooltip="For Estimate Flow and Render Flow Video."),
                io.String.Output(display_name="report", tooltip="What the file holds, for Preview as Text."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, codec_name, heat_map_padding) -> str:
        return stamp(codec_name, *FOLDERS, endings=ENDINGS)

    @classmethod
    def execute(cls, codec_name, heat_map_padding) -> io.NodeOutput:
        return io.NodeOutput(*open_codec(str(find_file(codec_name, *FOLDERS, endings=ENDINGS)), heat_map_padding))
