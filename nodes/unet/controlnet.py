"""The pose ControlNet that sees a clip."""

from comfy_api.latest import io

from ..host.files.folders import find_file, list_files, stamp

FOLDER = "controlnet"


class LoadPoseControlNet(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadPoseControlNet",
            display_name="Load Pose ControlNet",
            category="Duet/loaders",
            description="Opens a ControlNet with layers over time as a CONTROL_NET for Apply ControlNet. The stock "
            "loader would leave those layers out without a word. One ControlNet serves video and depth.",
            search_aliases=["pose controlnet", "temporal controlnet", "video controlnet", "IDOL pose", "DisCo pose"],
            inputs=[
                io.Combo.Input(
                    "control_net_name", options=list_files(FOLDER),
                    tooltip="A .safetensors file in models/controlnet.",
                ),
            ],
            outputs=[
                io.ControlNet.Output(display_name="control_net", tooltip="The ControlNet, for Apply ControlNet."),
                io.String.Output(display_name="report", tooltip="What the file holds and how it was read."),
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
