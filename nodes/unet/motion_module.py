"""AnimateDiff's motion modules on a picture model."""

from dataclasses import replace

from comfy_api.latest import io

from ..host.files.folders import TENSORS_ONLY, find_file, list_files, stamp

NAME = "Load Motion Module (AnimateDiff)"
FOLDERS = ("animatediff_models", "diffusion_models")


def with_motion(model, path):
    """A MODEL of pictures with the motion modules of a file in it, and the report of the file."""
    from ...models.files import open_motion_module
    from ...models.files.about import LAYERS
    from ..host.unet.adapters import adapted, base_of, source_of

    config, state = base_of(model, NAME)
    if config.temporal is not None:
        raise ValueError(
            f"This model already has {LAYERS[type(config.temporal)]}: "
            "connect a picture model, such as Stable Diffusion 1.5 from Load Video Model."
        )
    temporal, motion, report = open_motion_module(path)
    source = source_of(with_motion, model, path)
    return adapted(model, replace(config, temporal=temporal), {**state, **motion}, source), report


class LoadMotionModule(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadMotionModule",
            display_name=NAME,
            category="Duet/models",
            description="Adds AnimateDiff's motion modules (v1, v2 or v3) to a picture model of Stable Diffusion 1.5, so "
            "that a batch becomes one moving clip. LoRAs and other changes of the model act in front of this node and behind it.",
            search_aliases=[
                "AnimateDiff", "AnimateDiff loader", "motion module", "motion model", "mm_sd_v15", "v3_sd15_mm",
                "animate pictures", "text to video",
            ],
            inputs=[
                io.Model.Input("model", tooltip="A picture model of Stable Diffusion 1.5 from Load Video Model."),
                io.Combo.Input(
                    "motion_module_name", options=list_files(*FOLDERS),
                    tooltip="A motion module of AnimateDiff in models/animatediff_models or models/diffusion_models. "
                    f"{TENSORS_ONLY}",
                ),
            ],
            outputs=[
                io.Model.Output(
                    display_name="model", tooltip="The model with motion, for KSampler: a batch of latents is one clip.",
                ),
                io.String.Output(
                    display_name="report", tooltip="What the file holds and how it was read, for Preview as Text.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, model, motion_module_name) -> str:
        return stamp(motion_module_name, *FOLDERS)

    @classmethod
    def execute(cls, model, motion_module_name) -> io.NodeOutput:
        model, report = with_motion(model, find_file(motion_module_name, *FOLDERS))
        return io.NodeOutput(model, report.text)
