"""Writing a video model as one file."""

from comfy_api.latest import io

from ..host.files.folders import output_file


class SaveVideoModel(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetSaveVideoModel",
            display_name="Save Video Model",
            category="Duet/models",
            description="Writes a video model with its motion modules and LoRAs as one .safetensors file, which Load Video "
            "Model opens, with the workflow in its metadata. Existing files are never overwritten.",
            search_aliases=["save model", "export model", "merge LoRA", "bake lora", "save checkpoint"],
            inputs=[
                io.Model.Input("model", tooltip="The model to save, from Load Video Model, Load Motion Module or a LoRA node."),
                io.String.Input(
                    "filename_prefix", default="duet_models/duet",
                    tooltip="Folder and name of the file in the output folder; a number is added. Load Video Model lists "
                    "what lies in duet_models there; stock loaders cannot open these files.",
                ),
            ],
            outputs=[io.String.Output(display_name="model_path", tooltip="Path of the file that was written.")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(cls, model, filename_prefix) -> io.NodeOutput:
        from ...models.files import save_model
        from ..host.files.metadata import saved_workflow
        from ..host.recommended import saved_recommended
        from ..host.unet.model import weights_of

        refuse_flow(model)
        config, state = weights_of(model)
        notes = saved_workflow(cls.hidden) | saved_recommended(model)
        path = save_model(output_file(filename_prefix, ".safetensors"), state, config, **notes)
        return io.NodeOutput(str(path), ui={"text": (f"Saved {path.name}",)})


def refuse_flow(model) -> None:
    """A flow model has a file of another form."""
    if hasattr(model.model, "flow"):
        raise ValueError(
            "Expected a model from Load Video Model, got one from Load Flow Model: Save Video Model cannot write flow models. "
            "Copy its file in models/flow_models, or use Convert Checkpoint for a released one."
        )
