"""Tunings on one clip."""

from comfy_api.latest import io

from ..host.files.folders import find_file, list_files, stamp

NAME = "Load Video Tuning"
FOLDERS = ("model_patches",)


def with_tuning(model, path) -> tuple:
    """A MODEL with a tuning in it and the report of the file."""
    from ...models.oneshot.files import add_tuning
    from ..host.unet.adapters import adapted, base_of, source_of

    config, state, report = add_tuning(*base_of(model, NAME), path)
    return adapted(model, config, state, source_of(with_tuning, model, path)), report


class LoadVideoTuning(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadVideoTuning",
            display_name=NAME,
            category="Duet/models",
            description="Adds a tuning on one clip (one-shot tuning, Tune-A-Video) to the picture model that was tuned: the "
            "frames of a batch then move as in that clip, and the prompt changes their content.",
            search_aliases=[
                "edit a clip", "edit video", "tune a video", "Tune-A-Video", "one-shot", "one shot tuning",
                "load tuning", "tuned model", "video editing", "fine-tuned video",
            ],
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="The picture model that was tuned, from Load Video Model. Another tuning in it is replaced. "
                    "LoRAs act in front of this node and behind it.",
                ),
                io.Combo.Input(
                    "tuning_name", options=list_files(*FOLDERS),
                    tooltip="A tuning in models/model_patches, from Train Model or of Tune-A-Video. Of an old file such as .pth "
                    "only the tensors are read.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The tuned model; a batch is one clip."),
                io.String.Output(
                    display_name="report",
                    tooltip="Steps and length of the tuning, and whether it fits this model. Connect it to Preview as Text.",
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
