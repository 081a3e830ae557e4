"""What ComfyUI would sample wrongly with a pair on Wan 2.2 is refused before the first step."""

from torch import Tensor

from ..finite import finite_result, finite_start
from ..named import node_class, node_of_cfg_along_batch
from .windows import for_pair

SHOWN = "duet_shown"  # on a conditioning: the modality that the second stream shows
NODE = "Encode Prompt (Wan 2.2 Pair)"
ALONE = "TemporalScoreRescaling"  # asks whether one sigma is zero
REFERENCES = {"context_latents": "Bernini Conditioning", "time_dim_concat": "WanPhantomSubjectToVideo"}


def check_before_sampling(executor, noise: Tensor, latent_image: Tensor, *args, **kwargs) -> Tensor:
    """The host's OUTER_SAMPLE wrapper point: noise and latent (2, C, T, h, w)."""
    guider = executor.class_obj
    model = guider.model_patcher.model
    check_latent(noise, model.diffusion_model.in_dim)
    check_guidance(guider.model_options)
    if (handler := guider.model_options.get("context_handler")) is not None:
        guider.model_options["context_handler"] = for_pair(handler)
    for name, conds in guider.conds.items():
        if conds is not None:
            check_prompts(conds, model, name)
    finite_start(latent_image)
    return finite_result(executor(noise, latent_image, *args, **kwargs))


def check_latent(noise: Tensor, channels: int) -> None:
    """Two streams of one clip, in the latents of Wan 2.2."""
    if getattr(noise, "is_nested", False) or noise.ndim != 5 or noise.shape[1] != channels:
        came = "several latents in one" if getattr(noise, "is_nested", False) else f"{tuple(noise.shape)}"
        raise ValueError(
            f"Expected a latent of the video and its second clip (2, {channels}, frames, height, width), got {came}: use Empty Latent for "
            "Model, or encode the clip with the VAE of Wan 2.2 and join it with Join Video and Depth."
        )
    if noise.shape[0] != 2:
        raise ValueError(
            f"Expected one video and its second clip, a batch of 2 latents, got {noise.shape[0]}: sample one pair at a time, from "
            "Empty Latent for Model or Join Video and Depth."
        )


def check_guidance(options: dict) -> None:
    """What takes a batch of two for two pictures, or needs a batch of one."""
    node = node_of_cfg_along_batch(options)
    if node is None and any(node_class(one) == ALONE for one in options.get("sampler_post_cfg_function", ())):
        node = "TSR - Temporal Score Rescaling"
    if node is not None:
        raise ValueError(
            f"{node} does not work with a batch of two clips, which a video and its second clip are: remove it between Load Wan "
            "2.2 Pair and the sampler."
        )


def check_prompts(conds: list[dict], model, name: str) -> None:
    """Without any prompt the host would answer zeros."""
    if not conds:
        raise ValueError(f"The {name} conditioning is empty: encode a prompt with {NODE}, which may be without words.")
    for cond in conds:
        check_prompt(cond, model, name)


def check_prompt(cond: dict, model, name: str) -> None:
    """Both streams need their own tokens, and a modality that the file knows."""
    tokens, shown = cond.get("cross_attn"), cond.get(SHOWN)
    if shown is None or tokens is None or tokens.shape[0] != 2:
        raise ValueError(
            f"The {name} conditioning has one prompt where the video and its second clip need one each: encode it with {NODE}."
        )
    for key, placed_by in REFERENCES.items():
        if key in cond:
            raise ValueError(
                f"The {name} conditioning has reference pictures, which a pair on Wan 2.2 was not trained to read: remove "
                f"{placed_by}, and give the video by Join Video and Depth and the task depth from video."
            )
    if shown not in model.shows:
        raise ValueError(
            f"The {name} conditioning asks for {shown}, but this model was trained on {', '.join(model.shows)}: choose one of them in {NODE}."
        )
    width = model.diffusion_model.text_dim
    if tokens.shape[-1] != width:
        raise ValueError(
            f"The {name} conditioning has tokens of width {tokens.shape[-1]}, but this model reads {width}: {encoder_of(model)}."
        )


def encoder_of(model) -> str:
    """Where the tokens of a model come from."""
    if model.notes.words:
        return "connect the clip output of Load Wan 2.2 Pair to the prompts"
    return "load umT5-XXL by Load CLIP with the type wan"
