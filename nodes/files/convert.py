"""Old checkpoint files, which can carry code, as safe ones."""

from comfy_api.latest import io

from ..host.files.folders import PICKLED, find_file, list_files, output_file, stamp

FOLDERS = ("diffusion_models", "checkpoints", "controlnet", "animatediff_models", "flow_models")
AS_IN_FILE = "as in file"
PARTS = (AS_IN_FILE, "model", "controlnet")
NEXT = {
    "model": "Choose it in Load Video Model.",
    "motion": "Choose it in Load Motion Module.",
    "tuning": "Choose it in Load Video Tuning.",
    "flow unet": "Move it to models/flow_models and choose it in Load Flow Model.",
    "flow autoencoder": "Move it to models/flow_models and choose it in Load Flow Autoencoder.",
    "controlnet": "Move it to models/controlnet and choose it in Load Pose ControlNet.",
}


class ConvertCheckpoint(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetConvertCheckpoint",
            display_name="Convert Checkpoint",
            category="Duet/loaders",
            description="Writes an old .ckpt, .pth, .pt or .bin file as .safetensors, which Duet's loaders open. Only "
            "its numbers are read, so nothing in it can run. A file is never overwritten.",
            search_aliases=["ckpt to safetensors", "pth", "pickle", "convert AnimateDiff", "convert DisCo", "bin"],
            inputs=[
                io.Combo.Input(
                    "ckpt_name", options=list_files(*FOLDERS, endings=PICKLED),
                    tooltip="A .ckpt, .pth, .pt or .bin file in models/diffusion_models, models/checkpoints, "
                    "models/controlnet, models/animatediff_models or models/flow_models.",
                ),
                io.Combo.Input(
                    "part", options=list(PARTS), default=AS_IN_FILE,
                    tooltip="What to take out of the file. as in file finds out by itself; of a DisCo checkpoint, which "
                    "holds a model and its ControlNet, it takes the model.",
                ),
                io.Combo.Input(
                    "weight_dtype", options=[AS_IN_FILE, "fp16"], default=AS_IN_FILE,
                    tooltip="fp16 makes a file of full precision half as large.",
                ),
                io.String.Input(
                    "filename_prefix", default="diffusion_models/%name%",
                    tooltip="Where to write it inside the output folder. %name% stands for the name of the old file; a "
                    "number is added.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="file", tooltip="The file that was written."),
                io.String.Output(display_name="report", tooltip="What the file held and what to do next."),
            ],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, ckpt_name, part, weight_dtype, filename_prefix) -> str:
        return stamp(ckpt_name, *FOLDERS, endings=PICKLED)

    @classmethod
    def execute(cls, ckpt_name, part, weight_dtype, filename_prefix) -> io.NodeOutput:
        from ...models.files import convert

        source = find_file(ckpt_name, *FOLDERS, endings=PICKLED)
        target = output_file(filename_prefix.replace("%name%", source.stem), ".safetensors")
        kind, report = convert(source, target, None if part == AS_IN_FILE else part, weight_dtype == "fp16")
        text = f"{report.text} Written as {target.name}. {NEXT[kind]}"
        return io.NodeOutput(target.name, text, ui={"text": (f"Saved {target.name}", text)})
