"""The loader of a pair on Wan 2.2."""

from comfy_api.latest import io

from ..host.files.folders import TENSORS_ONLY, find_file, list_files, stamp

FOLDERS = ("diffusion_models", "checkpoints")
CATEGORY = "Duet/models"


def open_pair(path: str, disable_dynamic: bool = False) -> tuple:
    """The MODEL in a file and the report on it; the host calls this again when it needs a fresh copy."""
    from ...models.wan.files import open_wan_pair
    from ..host.recommended import with_recommended
    from ..host.wan.model import native_wan_pair

    opened = open_wan_pair(path)
    source = (open_pair, (path,), 0)
    model = native_wan_pair(opened.config, opened.state, opened.notes, source=source, disable_dynamic=disable_dynamic)
    return with_recommended(model, path), opened.report.text


class LoadWanPair(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadWanPair",
            display_name="Load Wan 2.2 Pair (UnityVideo)",
            category=CATEGORY,
            description="Opens UnityVideo, a model on Wan 2.2 5B that makes a video together with its depth, optical flow, "
            "segmentation, skeleton or body surface, as a MODEL for KSampler. VAE and text encoder are those of Wan 2.2.",
            search_aliases=[
                "UnityVideo", "Wan 2.2 depth", "video and depth", "load wan", "text to video and depth", "densepose",
                "video to depth", "depth to video", "skeleton to video",
            ],
            inputs=[
                io.Combo.Input(
                    "model_name", options=list_files(*FOLDERS),
                    tooltip="The file in models/diffusion_models, such as unityvideo_wan22_ti2v_5b_step15000_ema.safetensors. "
                    f"duet_wan_128 comes with the pack: a small model for 128 pixels, to try a graph. {TENSORS_ONLY}",
                ),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model",
                    tooltip="For KSampler: 20 steps of euler with the scheduler simple and cfg 1, as its makers sample.",
                ),
                io.String.Output(display_name="report", tooltip="What the file holds, for Preview as Text."),
                io.Clip.Output(
                    display_name="clip",
                    tooltip="The text encoder of a small model with a vocabulary of its own, from Duet Training, for Encode "
                    "Prompt (Wan 2.2 Pair). Empty for other files: take umT5-XXL from Load CLIP with the type wan.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, model_name) -> str:
        return stamp(model_name, *FOLDERS)

    @classmethod
    def execute(cls, model_name) -> io.NodeOutput:
        from ..host.unet.words import word_encoder

        model, report = open_pair(str(find_file(model_name, *FOLDERS)))
        return io.NodeOutput(model, report, word_encoder(model.model.notes.words))
