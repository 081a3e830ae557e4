"""What a network does and what it reads, from its configuration: for files whose family alone does not tell."""

from ..unet.config import ImageTokens, MotionModules, TemporalLayers, VideoUNetConfig

LAYERS = {TemporalLayers: "attention over time", MotionModules: "motion modules"}
PREDICTS = {"eps": "noise (eps)", "v": "velocity (v)"}


def of_model(config: VideoUNetConfig) -> tuple[str, ...]:
    """A U-Net, a sentence each: what it makes and predicts, and the nodes that speak to it."""
    makes, its = ("pictures", "their") if config.temporal is None else ("video", "its")
    if config.modalities == 2:
        makes += f" and {its} depth " + ("together" if not config.separate else "in a network for each")
    sentences = [f"It makes {makes} and predicts {PREDICTS[config.target]}."]
    reads = {
        "a depth clip (Encode Depth Condition)": config.in_channels == config.out_channels + 1,
        "a room (Encode Background)": config.background != "none",
        "a person (Encode Foreground)": isinstance(config.tokens, ImageTokens),
        f"{len(config.words)} words of its own (Encode Stage Words)": config.words,
    }
    named = [what for what, there in reads.items() if there]
    if named:
        sentences.append(f"It reads {listed(named)}.")
    return (*sentences, *lengths(config))


def of_character(config: VideoUNetConfig) -> tuple[str, ...]:
    """A character model: which layers it reads and what its schedule needs."""
    layers = "the scene" if config.layer_codes == 1 else "the scene and what passes in front of the character"
    start = f"It reads {layers} beside the noise and predicts velocity (v) from noise alone: the scheduler simple fits."
    return (start, *lengths(config))


def lengths(config: VideoUNetConfig) -> tuple[str, ...]:
    """How long a clip may be: only motion modules know places in time."""
    if not isinstance(config.temporal, MotionModules):
        return ()
    return (f"Clips have up to {config.temporal.positions} frames, or that many in a window.",)


def of_controlnet(config: VideoUNetConfig) -> tuple[str, ...]:
    """A pose ControlNet: what it sees of a clip, and of which networks."""
    sees = "each frame by itself" if config.temporal is None else "whole clips"
    if config.label_in_controlnet:
        sees += ", with a label that tells the video from its depth"
    return (f"It sees {sees}.",)


def listed(parts: list[str]) -> str:
    """a, b and c"""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
