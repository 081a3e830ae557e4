"""A still picture painted along a flow."""

from comfy_api.latest import io

from ..host.types import Flow, FlowCodec

CATEGORY = "Duet/flow"


class RenderFlowVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetRenderFlowVideo",
            display_name="Render Flow Video",
            category=CATEGORY,
            description="Paints a picture moved by a flow: what is seen in the picture is taken from it, what comes into "
            "sight is painted by the codec.",
            search_aliases=["decode flow", "flow to video", "LFDM decoder", "animate picture", "motion transfer"],
            inputs=[
                FlowCodec.Input("codec", tooltip="The codec of the flow model, or one that knows such pictures."),
                io.Image.Input(
                    "picture", tooltip="The still picture, the same that the flow was made for. It is encoded once."
                ),
                Flow.Input(
                    "flow", tooltip="From Decode Flow, Estimate Flow or Compose Flows. Steps between neighbours are "
                    "added up.",
                ),
            ],
            outputs=[io.Image.Output(display_name="images", tooltip="One frame for each of the flow.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, codec, picture, flow) -> io.NodeOutput:
        from ..host.lfdm.codec import feature_size
        from ..host.progress import progress
        from ..inputs import checks
        from ..inputs import flows as fields

        picture = checks.rgb(picture, "picture")
        if len(picture) != 1:
            raise ValueError(f"picture: expected one picture, got {len(picture)}: put Get Image from Batch in front.")
        field = fields.fitted(fields.from_picture(flow), feature_size(codec, picture))
        return io.NodeOutput(codec.render(picture, field, progress(len(field.share))))
