"""From a clip back to the noise that it would be sampled from, so that it can be sampled again in other words."""

from comfy_api.latest import io

from ..host.choices import SCHEDULERS

CATEGORY = "Duet/sampling"
PAPER, EXACT = "paper", "exact"
HIGHEST = {PAPER: 0.5, EXACT: 0.05}  # errors of trained models lie well below


def mode_inputs() -> list:
    """How to invert: the same two inputs on both nodes."""
    return [
        io.Combo.Input(
            "mode", options=[PAPER, EXACT], default=PAPER,
            tooltip="paper asks the model once a step, as Tune-A-Video does; the clip comes back alike. exact asks it "
            "several times until the step fits; the clip comes back as it was, at several times the cost.",
        ),
        io.Int.Input(
            "iterations", default=5, min=2, max=50, step=1,
            tooltip="How often exact asks the model in a step, on average: the first steps get more. 3 to 5 are enough. Not used by paper.",
        ),
    ]  # fmt: skip


def evaluations(mode: str, iterations: int) -> int:
    return iterations if mode == EXACT else 1


def check_clip(latent: dict, channels: int) -> None:
    """Refuses latents that cannot be inverted: not a batch of frames, of another VAE, empty, masked or not finite."""
    from ..inputs import checks

    samples = latent["samples"]
    if getattr(samples, "is_nested", False) or samples.ndim != 4 or samples.shape[1] != channels:
        raise ValueError(
            f"latent: expected (frames, {channels}, height, width), got {checks.describe(samples)}: encode the clip "
            "with the VAE that belongs to this model."
        )
    checks.finite(samples, "latent")
    if not samples.any():
        raise ValueError(
            "latent: expected a clip to invert, got an empty latent: connect VAE Encode, or Join Video and Depth."
        )
    if "noise_mask" in latent:
        raise ValueError("latent: expected whole frames, got a noise mask: remove Set Latent Noise Mask.")


def report(done, error: float, frames, mode: str, scheduler: str, steps: int) -> str:
    """What was made in sentences: the error, the noise, how to sample from it, and a warning if something is wrong."""
    sigma, noise = done.sigmas[0].item(), done.noise["samples"]
    count = "1 frame" if len(frames) == 1 else f"{len(frames)} frames"
    lines = [
        f"Reconstruction error {error:.2e} of the clip's size ({100 * error:.3g} %), {count}, {len(done.sigmas) - 1} "
        f"steps, {mode}; worst is frame {int(frames.argmax())} with {frames.max().item():.2e}.",
        f"To sample from it: KSampler (Advanced), add_noise disable, sampler euler, scheduler {scheduler}, steps {steps}; "
        "or SamplerCustomAdvanced with Disable Noise and these sigmas.",
    ]
    if done.really:
        lines.append(
            f"Warning: the model seems to predict {done.really}, or to be untrained, but is read as one that predicts "
            f"{'eps' if done.really == 'v' else 'v'}: check its file, or put ModelSamplingDiscrete after it."
        )
    if not error < HIGHEST[mode] or not noise.isfinite().all():
        lines.append(
            f"Warning: the clip does not come back from this noise (sigma {sigma:.3g}): use more steps, mode exact, or "
            "the prompt and the ControlNets that describe the clip, and check that the model belongs to the VAE."
        )
    return "\n".join(lines)


class DDIMInversionSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDDIMInversionSampler",
            display_name="DDIM Inversion Sampler",
            category=CATEGORY,
            description="A sampler that runs backwards: from a clip to the noise that it would be made from. For "
            "SamplerCustom with add_noise off and cfg 1, or SamplerCustomAdvanced with Disable Noise and Basic Guider. "
            "Takes the sigmas of any scheduler, flipped or not.",
            search_aliases=["unsampler", "DDIM inverse", "inversion", "reverse sampling", "FlipSigmas", "noise from video"],
            inputs=mode_inputs(),
            outputs=[io.Sampler.Output(display_name="sampler", tooltip="For SamplerCustom or SamplerCustomAdvanced.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, mode, iterations) -> io.NodeOutput:
        from ..host.oneshot.inversion import inversion_sampler

        return io.NodeOutput(inversion_sampler(evaluations(mode, iterations)))


class InvertVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetInvertVideo",
            display_name="Invert Video",
            category=CATEGORY,
            description="Finds the noise that a clip would be made from, samples the clip from it again and says how far "
            "that is off. Sample from this noise with other words, another person or another depth to edit the clip.",
            search_aliases=["DDIM inversion", "unsampler", "video to noise", "edit video", "reconstruction error"],
            inputs=[
                io.Model.Input("model", tooltip="A model that predicts noise or velocity, with its LoRAs."),
                io.Conditioning.Input(
                    "positive", tooltip="What describes the clip as it is, with its ControlNets and depth. An empty "
                    "prompt is fine. There is no negative: inversion runs without guidance (cfg 1).",
                ),
                io.Latent.Input(
                    "latent", tooltip="The clip to invert: from VAE Encode, or a pair from Join Video and Depth. One "
                    "frame is enough.",
                ),
                io.Int.Input(
                    "steps", default=50, min=1, max=999, step=1,
                    tooltip="Steps from the clip to noise; sample from it with as many. More give a smaller error.",
                ),
                *mode_inputs(),
                io.Combo.Input(
                    "scheduler", options=SCHEDULERS, default="ddim_uniform",
                    tooltip="How noise rises over the steps; sample from it with the same one.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="inverted", tooltip="The noise of the clip. Connect it to KSampler (Advanced) with "
                    "add_noise disable, or to SamplerCustomAdvanced with Disable Noise.",
                ),
                io.Sigmas.Output(
                    display_name="sigmas", tooltip="From noise to clean, for SamplerCustomAdvanced: the same steps down.",
                ),
                io.Float.Output(
                    display_name="error", tooltip="How far the clip that comes back is off, in parts of its size: 0.01 "
                    "is 1 percent.",
                ),
                io.Image.Output(
                    display_name="error_picture", tooltip="Where it is off: black agrees to 1 in 100000, each tenfold "
                    "is one colour further, bright yellow is as far off as the clip is large.",
                ),
                io.String.Output(display_name="report", tooltip="The error in words, what to do next, and warnings."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, model, positive, latent, steps, mode, iterations, scheduler) -> io.NodeOutput:
        from ...models.oneshot.inversion import error_of, error_picture
        from ..host.oneshot.inversion import invert_and_return, latent_channels

        check_clip(latent, latent_channels(model))
        done = invert_and_return(model, positive, latent, steps, scheduler, evaluations(mode, iterations))
        error, frames = error_of(done.again, latent["samples"])
        text = report(done, error, frames, mode, scheduler, steps)
        picture = error_picture(done.again, latent["samples"])
        return io.NodeOutput(done.noise, done.sigmas, error, picture, text, ui={"text": (text,)})
