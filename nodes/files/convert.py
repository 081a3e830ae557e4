"""Old checkpoint files, which can hold code, as safe ones."""

from comfy_api.latest import io

from ..host.files.folders import PICKLED, find_file, list_files, output_file, stamp

FOLDERS = ("diffusion_models", "checkpoints", "controlnet", "animatediff_models", "flow_models")
AUTO, UNCHANGED = "auto", "unchanged"
PARTS = (AUTO, "model", "controlnet")
NEXT = {
    "model": "Choose it in Load Video Model.",
    "motion": "Choose it in Load Motion Module.",
    "tuning": "Choose it in Load Video Tuning.",
    "flow unet": "Move it to models/flow_models and choose it in Load Flow Model.",
    "flow autoencoder": "Move it to models/flow_models and choose it in Load Flow Autoencoder.",
    "controlnet": "Move it to models/duet_controlnets and choose it in Load Pose ControlNet.",
}


class ConvertCheckpoint(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetConvertCheckpoint",
            display_name="Convert Checkpoint",
            category="Duet/models",
            description="Writes an old .ckpt, .pth, .pt or .bin file as .safetensors, which is safe to share and opens faster. "
            "Only the tensors are read, never code. Existing files are never overwritten.",
            search_aliases=[
                "ckpt to safetensors", "convert checkpoint", "convert model", "pth", "pickle", "bin", "safetensors",
                "convert AnimateDiff", "convert DisCo",
            ],
            inputs=[
                io.Combo.Input(
                    "ckpt_name", options=list_files(*FOLDERS, endings=PICKLED),
                    tooltip="A .ckpt, .pth, .pt or .bin file in models/diffusion_models, models/checkpoints, "
                    "models/controlnet, models/animatediff_models or models/flow_models.",
                ),
                io.String.Input(
                    "filename_prefix", default="duet_models/%name%",
                    tooltip="Folder and name of the new file in the output folder; %name% is the name of the old file, "
                    "and a number is added. For a Stable Diffusion model that stock loaders should list too, write "
                    "diffusion_models/%name%.",
                ),
                io.Combo.Input(
                    "part", options=list(PARTS), default=AUTO, advanced=True,
                    tooltip="Part of the file to convert. auto takes what the file holds, and the model of a DisCo "
                    "checkpoint, which holds a model and its ControlNet; choose controlnet for the other part.",
                ),
                io.Combo.Input(
                    "weight_dtype", options=[UNCHANGED, "fp16"], default=UNCHANGED, advanced=True,
                    tooltip="Precision of the numbers in the new file. fp16 makes a file of full precision half as large.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="model_path", tooltip="Path of the file that was written."),
                io.String.Output(
                    display_name="report", tooltip="What the file held and which node opens it, for Preview as Text.",
                ),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, ckpt_name, filename_prefix, part, weight_dtype) -> str:
        return stamp(ckpt_name, *FOLDERS, endings=PICKLED)

    @classmethod
    def execute(cls, ckpt_name, filename_prefix, part, weight_dtype) -> io.NodeOutput:
        from ...models.files import convert
        from ..host.files.metadata import saved_workflow

        source = find_file(ckpt_name, *FOLDERS, endings=PICKLED)
        target = output_file(filename_prefix.replace("%name%", source.stem), ".safetensors")
        notes = saved_workflow(cls.hidden)
        kind, report = convert(source, target, None if part == AUTO else part, weight_dtype == "fp16", notes)
        text = f"{report.text} Written as {target.name}. {NEXT[kind]}"
        return io.NodeOutput(str(target), text, ui={"text": (f"Saved {target.name}", text)})
