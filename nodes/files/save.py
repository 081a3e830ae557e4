"""Writing a video model as one file."""

from comfy_api.latest import io

from ..host.files.folders import output_file


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
        from ...models.files import save_model
        from ..host.recommended import saved_recommended
        from ..host.unet.model import weights_of

        config, state = weights_of(model)
        path = save_model(output_file(filename_prefix, ".safetensors"), state, config, **saved_recommended(model))
        return io.NodeOutput(str(path.name), ui={"text": (f"Saved {path.name}",)})
