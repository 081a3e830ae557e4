"""The pose ControlNet with layers over time."""

from comfy_api.latest import io

from ..host.files.folders import TENSORS_ONLY, find_file, list_files, stamp

FOLDER = "controlnet"


class LoadPoseControlNet(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadPoseControlNet",
            display_name="Load Pose ControlNet",
            category="Duet/models",
            description="Opens a ControlNet with layers over time for Apply ControlNet, to guide a clip by pose pictures. "
            "The stock loader leaves those layers out. One ControlNet serves video and depth.",
            search_aliases=[
                "pose video", "dance pose", "pose controlnet", "openpose controlnet", "temporal controlnet",
                "video controlnet", "load controlnet", "IDOL pose", "DisCo pose",
            ],
            inputs=[
                io.Combo.Input(
                    "control_net_name", options=list_files(FOLDER),
                    tooltip="A pose ControlNet in models/controlnet or models/duet_controlnets, made for the same base model as the "
                    "video model. "
                    f"{TENSORS_ONLY}",
                ),
            ],
            outputs=[
                io.ControlNet.Output(
                    display_name="control_net",
                    tooltip="The ControlNet, for Apply ControlNet with one pose picture for each frame.",
                ),
                io.String.Output(
                    display_name="report", tooltip="What the file holds and how it was read, for Preview as Text.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, control_net_name) -> str:
        return stamp(control_net_name, FOLDER)

    @classmethod
    def execute(cls, control_net_name) -> io.NodeOutput:
        from ...models.files import open_controlnet
        from ..host.unet.controlnet import native_controlnet

        config, state, report = open_controlnet(find_file(control_net_name, FOLDER))
        return io.NodeOutput(native_controlnet(config, state), report.text)
