"""A clip edited by two prompts, without inversion."""

from comfy_api.latest import io

from .inversion import CATEGORY


class FlowEdit(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetFlowEdit",
            display_name="FlowEdit (for SamplerCustomAdvanced)",
            category=CATEGORY,
            description="Edits a clip or a picture by two prompts, one that describes it and one that describes the result, "
            "without inversion. For models of flow matching: Wan, LTX, Hunyuan, Flux, Stable Diffusion 3. Connect both outputs to "
            "SamplerCustomAdvanced, with the encoded clip as its latent.",
            search_aliases=["edit video", "edit clip", "change prompt", "flow edit", "inversion free", "restyle video", "unsampler"],
            inputs=[
                io.Model.Input("model", tooltip="A model of flow matching, with its LoRAs."),
                io.Conditioning.Input("original_positive", tooltip="A prompt that describes the clip before the edit."),
                io.Conditioning.Input("positive", tooltip="A prompt that describes the clip after the edit."),
                io.Conditioning.Input("negative", tooltip="What the clip should not show; used for both prompts."),
                io.Float.Input(
                    "original_cfg", default=3.5, min=0.0, max=100.0, step=0.1, round=0.01,
                    tooltip="How strongly the prompt of the clip before the edit counts. Lower than cfg.",
                ),
                io.Float.Input(
                    "cfg", default=13.5, min=0.0, max=100.0, step=0.1, round=0.01,
                    tooltip="How strongly the prompt after the edit counts. Higher values change more.",
                ),
                io.Int.Input(
                    "average", default=1, min=1, max=16, step=1, advanced=True,
                    tooltip="Draws of noise that each step averages. More give less noise in as many times the time.",
                ),
                io.Int.Input(
                    "free_steps", default=0, min=0, max=999, step=1, advanced=True,
                    tooltip="Last steps that follow the new prompt alone. More of them keep less of the clip's details.",
                ),
            ],
            outputs=[
                io.Guider.Output(display_name="guider", tooltip="For guider of SamplerCustomAdvanced."),
                io.Sampler.Output(
                    display_name="sampler", tooltip="For sampler of SamplerCustomAdvanced. Leave out the first steps of the sigmas "
                    "(Split Sigmas) to keep more of the clip.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, model, original_positive, positive, negative, original_cfg, cfg, average, free_steps
    ) -> io.NodeOutput:
        from ..host.oneshot.flow_edit import TwoPrompts, flow_edit_sampler

        guider = TwoPrompts(model, (original_positive, negative), (positive, negative), original_cfg, cfg)
        return io.NodeOutput(guider, flow_edit_sampler(average, free_steps))
