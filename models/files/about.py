"""What a network generates and reads, from its configuration, in sentences for the report."""

from ..unet.config import ImageTokens, MotionModules, TemporalLayers, VideoUNetConfig

LAYERS = {TemporalLayers: "attention over time", MotionModules: "motion modules"}
PREDICTS = {"eps": "noise (eps)", "v": "velocity (v)"}


def of_model(config: VideoUNetConfig) -> tuple[str, ...]:
    """A U-Net: what it generates and predicts, and the nodes that encode its inputs."""
    output, its = ("pictures", "their") if config.temporal is None else ("video", "its")
    if config.modalities == 2:
        output += f" and {its} depth " + ("together" if not config.separate else "in a network for each")
    sentences = [f"It generates {output} and predicts {PREDICTS[config.target]}."]
    reads = {
        "a depth clip from Encode Depth (Depth-to-Image Model)": config.in_channels == config.out_channels + 1,
        "a scene from Encode Scene (Video and Depth)": config.background != "none",
        "a character from Encode Character (Video and Depth)": isinstance(config.tokens, ImageTokens),
        f"a prompt of its {len(config.words)} words from CLIP Text Encode with the clip of Load Video Model": config.words,
    }
    named = [what for what, there in reads.items() if there]
    if named:
        sentences.append(f"It reads {listed(named)}.")
    return (*sentences, *lengths(config))


def of_character(config: VideoUNetConfig) -> tuple[str, ...]:
    """A character model: which layers it reads and which scheduler fits."""
    layers = "the scene" if config.layer_codes == 1 else "the scene and the occluder"
    start = f"It reads {layers} beside the noise and predicts velocity (v) from noise alone: the scheduler simple fits."
    return (start, *lengths(config))


def lengths(config: VideoUNetConfig) -> tuple[str, ...]:
    """The longest clip, which only motion modules limit."""
    if not isinstance(config.temporal, MotionModules):
        return ()
    return (f"Clips have up to {config.temporal.positions} frames, or that many in a window.",)


def of_controlnet(config: VideoUNetConfig) -> tuple[str, ...]:
    """A pose ControlNet: whether it works over time, and whether it has a label."""
    reads = "each frame by itself" if config.temporal is None else "whole clips"
    if config.label_in_controlnet:
        reads += ", with a label for video and depth"
    return (f"It reads {reads}.",)


def listed(parts: list[str]) -> str:
    """a, b and c"""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
