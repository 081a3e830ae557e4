"""AnimateDiff's motion modules on a picture model."""

from dataclasses import replace

from comfy_api.latest import io

from ..host.files.folders import find_file, list_files, stamp

FOLDERS = ("animatediff_models", "diffusion_models")


def with_motion(model, path):
    """A MODEL of pictures with the motion modules of a file in it, and the report of the file."""
    from ...models.files import open_motion_module
    from ...models.files.about import LAYERS
    from ..host.unet.model import native_model, weights_of

    config, state = weights_of(model)
    if config.temporal is not None:
        raise ValueError(
            f"This model already has {LAYERS[type(config.temporal)]}: connect a picture model, such as Stable Diffusion 1.5 from Load Video Model."
        )
    temporal, motion, report = open_motion_module(path)
    return native_model(replace(config, temporal=temporal), {**state, **motion}), report


class LoadMotionModule(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadMotionModule",
            display_name="Load Motion Module",
            category="Duet/loaders",
            description="Puts AnimateDiff's motion modules (v1, v2 or v3) into a picture model, so that its frames "
            "belong together. Put LoRAs after this node.",
            search_aliases=["AnimateDiff", "motion model", "mm_sd_v15", "v3_sd15_mm", "animate"],
            inputs=[
                io.Model.Input("model", tooltip="A picture model from Load Video Model."),
                io.Combo.Input(
                    "motion_module_name", options=list_files(*FOLDERS),
                    tooltip="A .safetensors file in models/animatediff_models or models/diffusion_models.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The model with motion: a batch is one clip."),
                io.String.Output(display_name="report", tooltip="What the file holds and how it was read."),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, model, motion_module_name) -> str:
        return stamp(motion_module_name, *FOLDERS)

    @classmethod
    def execute(cls, model, motion_module_name) -> io.NodeOutput:
        model, report = with_motion(model, find_file(motion_module_name, *FOLDERS))
        return io.NodeOutput(model, report.text)
