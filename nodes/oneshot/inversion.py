"""From a clip back to the noise that it can be sampled from, so that it can be sampled again with another prompt."""

from comfy_api.latest import io

from ..host.choices import SCHEDULERS

CATEGORY = "Duet/edit a clip"
FAST, EXACT = "fast", "exact"
NOT_A_LATENT = (
    "This model is one of flow matching, whose samplers do not begin from a latent: connect the outputs noise and sigmas of Invert "
    "Video to Noise to SamplerCustomAdvanced, with the clip's latent."
)
LARGEST = 1e6  # latents of a VAE stay below 1e3
HIGHEST = {FAST: 0.5, EXACT: 0.05}  # errors of trained models lie well below


def inversion_input() -> io.DynamicCombo.Input:
    """The choice of inversion, the same on both nodes."""
    iterations = io.Int.Input(
        "iterations", default=5, min=2, max=50, step=1,
        tooltip="Evaluations of the model per step, on average; the first steps get more. 3 to 5 are enough for most clips. "
        "Raise it if the reported error is too large.",
    )  # fmt: skip
    return io.DynamicCombo.Input(
        "inversion", options=[io.DynamicCombo.Option(FAST, []), io.DynamicCombo.Option(EXACT, [iterations])],
        tooltip="Accuracy of the inversion. fast: one evaluation of the model per step, as in Tune-A-Video; the clip is "
        "reproduced roughly. exact: several evaluations per step; the clip is reproduced exactly, in several times the time.",
    )  # fmt: skip


def evaluations(inversion: dict) -> int:
    """Evaluations of the model per step."""
    return inversion["iterations"] if inversion["inversion"] == EXACT else 1


def check_clip(latent: dict, channels: int, modalities: int | None) -> None:
    """Refuses latents that cannot be inverted: other frames than the model's, of another VAE, empty or masked."""
    from ..inputs import checks
    from ..inputs.latents import model_frames

    samples = latent["samples"]
    if getattr(samples, "is_nested", False) or samples.ndim not in (4, 5) or samples.shape[1] != channels:
        raise ValueError(
            f"latent: expected (frames, {channels}, height, width) or (1, {channels}, frames, height, width), got {checks.describe(samples)}: encode the clip "
            "with the VAE that belongs to this model."
        )
    if modalities is not None and samples.ndim == 4:  # to a model of the host every latent is a picture
        model_frames(latent, modalities, "latent")
    checks.finite(samples, "latent")
    if (largest := samples.abs().max().item()) > LARGEST:
        raise ValueError(
            f"latent: expected values of an encoded clip, mostly from -50 to 50, got up to {largest:.3g}: connect VAE Encode, "
            "and remove nodes that multiply the latent."
        )
    if not samples.any():
        raise ValueError(
            "latent: expected a clip to invert, got an empty latent: connect VAE Encode, or Join Video and Depth."
        )
    if "noise_mask" in latent:
        raise ValueError("latent: expected whole frames, got a noise mask: remove Set Latent Noise Mask.")


def report(done, error: float, frames, inversion: str, scheduler: str, steps: int, flow: bool = False) -> str:
    """The error, how to sample from the noise, and a warning if something is wrong."""
    sigma = done.sigmas[0].item()
    count = "1 frame" if len(frames) == 1 else f"{len(frames)} frames"
    lines = [
        f"Reconstruction error {error:.2e} of the clip's size ({100 * error:.3g} %), {count}, {len(done.sigmas) - 1} "
        f"steps, {inversion} inversion; the largest is {frames.max().item():.2e} in frame {int(frames.argmax())}.",
        "To sample from the noise, use SamplerCustomAdvanced with the outputs noise and sigmas, and the clip's latent."
        if flow
        else "To sample from the noise, use KSampler (Advanced) with add_noise disable, sampler_name euler, scheduler "
        f"{scheduler} and steps {steps}, or SamplerCustomAdvanced with Disable Noise and these sigmas.",
    ]
    if done.prediction:
        lines.append(
            f"Warning: the model seems to predict {done.prediction}, or to be untrained, but is used as a model that "
            f"predicts {'eps' if done.prediction == 'v' else 'v'}: check its file, or add ModelSamplingDiscrete after it."
        )
    if not error < HIGHEST[inversion]:
        lines.append(
            f"Warning: the clip is not reproduced from this noise (sigma {sigma:.3g}): use more steps, inversion exact, "
            "or the prompt and the ControlNets that describe the clip, and check that the VAE belongs to the model."
        )
    return "\n".join(lines)


class DDIMInversionSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDDIMInversionSampler",
            display_name="DDIM Inversion (for SamplerCustom)",
            category=CATEGORY,
            description="A sampler that runs backwards, from a clip to the noise that it can be sampled from. Use it with "
            "SamplerCustomAdvanced, Disable Noise and Basic Guider; Invert Video to Noise is the same in one node, with the "
            "error.",
            search_aliases=["edit clip", "edit video", "change prompt",
                "unsampler", "DDIM inverse", "DDIM inversion", "inversion sampler", "reverse sampling", "flip sigmas",
                "video to noise", "image to noise",
            ],
            inputs=[inversion_input()],
            outputs=[
                io.Sampler.Output(
                    display_name="sampler",
                    tooltip="The sampler, for SamplerCustom (add_noise off, cfg 1) or SamplerCustomAdvanced. Any sigmas of a "
                    "scheduler fit, flipped or not; with models of flow matching leave them unflipped.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, inversion) -> io.NodeOutput:
        from ..host.oneshot.inversion import inversion_sampler

        return io.NodeOutput(inversion_sampler(evaluations(inversion)))


class InvertVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetInvertVideo",
            display_name="Invert Video to Noise",
            category=CATEGORY,
            description="Finds the noise that a clip can be sampled from (DDIM inversion) and measures how well the clip is "
            "reproduced. Sample from this noise with another prompt or another depth to edit the clip and keep its motion.",
            search_aliases=[
                "edit a clip", "edit a video", "same structure", "keep structure", "edit clip", "edit video",
                "change prompt", "DDIM inversion", "unsampler", "video to noise", "invert video", "video editing",
                "restyle video", "keep motion", "reconstruction error",
            ],
            inputs=[
                io.Model.Input("model", tooltip="A model that predicts noise or velocity, or one of flow matching such as Wan or Flux, with its LoRAs."),
                io.Conditioning.Input(
                    "original_positive", tooltip="Conditioning that describes the clip, with its ControlNets and depth. An empty "
                    "prompt works too. There is no negative: inversion works without guidance (cfg 1).",
                ),
                io.Latent.Input(
                    "latent", tooltip="The clip to invert: from VAE Encode, or a pair from Join Video and Depth. One "
                    "frame is enough.",
                ),
                io.Int.Input(
                    "steps", default=50, min=1, max=999, step=1,
                    tooltip="Number of steps from the clip to noise; sample from the noise with the same number. More steps "
                    "give a smaller error.",
                ),
                inversion_input(),
                io.Combo.Input(
                    "scheduler", options=SCHEDULERS, default="ddim_uniform", advanced=True,
                    tooltip="Noise levels of the steps; sample from the noise with the same scheduler.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="noise_latent", tooltip="The noise of the clip, for KSampler (Advanced) with add_noise "
                    "disable, or for SamplerCustomAdvanced with Disable Noise.",
                ),
                io.Sigmas.Output(
                    display_name="sigmas", tooltip="The same steps from noise to clean, for SamplerCustomAdvanced.",
                ),
                io.Float.Output(
                    display_name="error", tooltip="Difference between the reproduced clip and the original, relative to its "
                    "size: 0.01 is 1 percent.",
                ),
                io.Image.Output(
                    display_name="error_images", tooltip="The difference in every place. Black is at most 1 in 100000, each "
                    "tenfold is one colour further, bright yellow is as large as the clip.",
                ),
                io.String.Output(
                    display_name="report", tooltip="The error, the settings to sample from the noise with, and warnings.",
                ),
                io.Noise.Output(
                    display_name="noise", tooltip="The same noise for SamplerCustomAdvanced, with the clip's latent and the "
                    "sigmas. Models of flow matching, such as Wan or Flux, need it in place of noise_latent.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, model, original_positive, latent, steps, inversion, scheduler) -> io.NodeOutput:
        from ...models.oneshot.inversion import error_images, reconstruction_error
        from ..host.notice import blocked
        from ..host.oneshot.inversion import invert_and_return, latent_channels, needs_noise
        from ..host.pair.sampling import is_ours, modalities_of

        check_clip(latent, latent_channels(model), modalities_of(model) if is_ours(model) else None)
        done = invert_and_return(model, original_positive, latent, steps, scheduler, evaluations(inversion))
        error, frames = reconstruction_error(done.reconstruction, latent["samples"])
        flow = needs_noise(model)
        text = report(done, error, frames, inversion["inversion"], scheduler, steps, flow)
        images = error_images(done.reconstruction, latent["samples"])
        start = blocked(NOT_A_LATENT) if flow else done.noise
        return io.NodeOutput(start, done.sigmas, error, images, text, done.source, ui={"text": (text,)})
