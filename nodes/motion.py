"""AnimateDiff's motion modules on a picture model, and writing a model as one file."""

from dataclasses import replace

from comfy_api.latest import io

from .host.folders import find_file, list_files, output_file, stamp

FOLDERS = ("animatediff_models", "diffusion_models")


def with_motion(model, path):
    """A MODEL of pictures with the motion modules of a file in it, and the report of the file."""
    from ..models.checkpoint import open_motion_module
    from .host.model import native_model, weights_of

    config, state = weights_of(model)
    if config.temporal != "none":
        raise ValueError(
            f"This model already has {config.temporal.replace('_', ' ')} layers over time: "
            "connect a picture model, such as Stable Diffusion 1.5 from Load Video Model."
        )
    fields, motion, report = open_motion_module(path)
    return native_model(replace(config, **fields), {**state, **motion}), report


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


class SaveVideoModel(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetSaveVideoModel",
            display_name="Save Video Model",
            category="Duet/loaders",
            description="Writes a video model, with its motion modules and LoRAs baked in, as one .safetensors file that "
            "Load Video Model opens. A file is never overwritten.",
            search_aliases=["export model", "merge LoRA", "bake", "save checkpoint"],
            inputs=[
                io.Model.Input("model", tooltip="A model from Load Video Model or Load Motion Module."),
                io.String.Input(
                    "filename_prefix", default="diffusion_models/duet",
                    tooltip="Where to write it inside the output folder; a number is added.",
                ),
            ],
            outputs=[io.String.Output(display_name="file", tooltip="The file that was written.")],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(cls, model, filename_prefix) -> io.NodeOutput:
        from ..models.checkpoint import save_model
        from .host.model import weights_of

        config, state = weights_of(model)
        path = save_model(output_file(filename_prefix, ".safetensors"), state, config)
        return io.NodeOutput(str(path.name), ui={"text": (f"Saved {path.name}",)})


NODES = [LoadMotionModule, SaveVideoModel]
