"""Tunings on one clip."""

from comfy_api.latest import io

from ..host.files.folders import find_file, list_files, stamp

FOLDERS = ("model_patches", "diffusion_models")


def with_tuning(model, path) -> tuple:
    """A MODEL with a tuning in it and the report of the file."""
    from ...models.oneshot.files import add_tuning
    from ..host.recommended import keep_recommended
    from ..host.unet.model import native_model, weights_of

    config, state, report = add_tuning(*weights_of(model), path)
    return keep_recommended(native_model(config, state), model), report


class LoadOneShotTuning(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadOneShotTuning",
            display_name="Load One-Shot Tuning",
            category="Duet/loaders",
            description="Puts what was tuned on one clip into the picture model that it was tuned on: the frames of a "
            "batch then move as in that clip. Put LoRAs after this node.",
            search_aliases=["Tune-A-Video", "one-shot", "tuned clip", "video editing", "delta"],
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="The model that was tuned, from Load Video Model. Another tuning in it is replaced.",
                ),
                io.Combo.Input(
                    "tuning_name", options=list_files(*FOLDERS),
                    tooltip="A .safetensors file in models/model_patches or models/diffusion_models. Convert "
                    "Checkpoint makes one of a .pth of Tune-A-Video.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The tuned model: a batch is one clip."),
                io.String.Output(
                    display_name="report", tooltip="What the file holds and whether it fits, for Preview as Text.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, model, tuning_name) -> str:
        return stamp(tuning_name, *FOLDERS)

    @classmethod
    def execute(cls, model, tuning_name) -> io.NodeOutput:
        model, report = with_tuning(model, find_file(tuning_name, *FOLDERS))
        return io.NodeOutput(model, report.text)
