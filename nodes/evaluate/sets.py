"""How far a set of clips is from another as sets, by features of each clip: what FID and FVD measure."""

from comfy_api.latest import io
from torch import Tensor

from ...models.choices import FEATURE_SOURCES, SAMPLE_KINDS
from ..inputs.video import clip_input
from .clips import CATEGORY

RANDOM, CLIP, VAE = FEATURE_SOURCES
FRAMES, CLIPS = SAMPLE_KINDS


class CompareSets(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetFrechetDistance",
            display_name="Compare Sets of Clips",
            category=CATEGORY,
            description="Measures how far generated clips are from real ones as sets: the Fr\u00e9chet distance of their features, as "
            "FID does for pictures and FVD for clips, with the number of samples and a 95 % interval. No clip needs to "
            "match another.",
            search_aliases=[
                "FID", "FVD", "cFVD", "sFVD", "Frechet distance", "Fr\u00e9chet distance", "FID-VID", "evaluate video", "video quality",
                "metric", "measure", "dataset distance", "evaluate dataset",
            ],
            is_input_list=True,
            inputs=[
                clip_input("images", tooltip="The clips to measure: a list of clips, or one long clip."),
                clip_input(
                    "reference_images",
                    tooltip="The real clips to compare with, a list or one long clip. The number of clips and their size may be "
                    "others.",
                ),
                io.Combo.Input(
                    "samples", options=list(SAMPLE_KINDS), default=FRAMES,
                    tooltip="frames: each frame is a sample, so only the pictures count, as in FID. clips: each clip is a sample, "
                    "and its motion counts too, as in FVD.",
                ),
                io.Int.Input(
                    "clip_frames", default=16, min=0, max=1000, step=1,
                    tooltip="Frames of a clip: longer ones are cut into clips of this length, as papers do with 16, and a rest "
                    "is left out. 0: whole clips. Has an effect only if samples is clips.",
                ),
                io.Combo.Input(
                    "features", options=list(FEATURE_SOURCES), default=RANDOM,
                    tooltip="What is compared. random filters: 64 fixed filters, no file needed. CLIP: the vectors of clip_vision, "
                    "which show content. VAE: the latents of vae, which show color and texture. Only distances of the same "
                    "features compare.",
                ),
                io.Int.Input(
                    "bootstrap_draws", default=200, min=0, max=5000, step=50, advanced=True,
                    tooltip="How often the samples are drawn again for the interval. 0 leaves it out; more give steadier ends and "
                    "take longer.",
                ),
                io.Boolean.Input(
                    "matched_clips", default=False,
                    tooltip="Turn on if each clip of images was made from the clip of reference_images at its place, such as a filtered "
                    "or decoded one: both are then drawn together for the interval. The distance stays the same.",
                ),
                io.ClipVision.Input(
                    "clip_vision", optional=True,
                    tooltip="CLIP from Load CLIP Vision. Has an effect only if features is CLIP.",
                ),
                io.Vae.Input("vae", optional=True, tooltip="Any VAE. Has an effect only if features is VAE."),
                group_names("groups", "images", "Empty: all are one group."),
                group_names("reference_groups", "reference_images", "Empty: the same as groups."),
            ],
            outputs=[
                io.Float.Output(
                    display_name="distance", tooltip="The Fr\u00e9chet distance. 0 means equal sets; lower is closer."
                ),
                io.Float.Output(
                    display_name="interval_low", tooltip="Lower end of the 95 % interval. The distance may lie outside of the interval."
                ),
                io.Float.Output(display_name="interval_high", tooltip="Upper end of the 95 % interval."),
                io.Float.Output(
                    display_name="group_distance",
                    tooltip="Mean of the distances within each group; the same as distance without groups.",
                ),
                io.Int.Output(display_name="sample_count", tooltip="Samples of the smaller set."),
                io.String.Output(
                    display_name="report", tooltip="All numbers with their features and samples, and each group's own."
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, images, reference_images, samples, clip_frames, features, bootstrap_draws, matched_clips, clip_vision=None,
        vae=None, groups=None, reference_groups=None,
    ) -> io.NodeOutput:  # fmt: skip
        from ..host.notice import show_warning

        kind, draws = samples[0], bootstrap_draws[0]
        frames = clip_frames[0] if kind == CLIPS else 1
        extract = extractor(features[0], kind, frames, first(clip_vision), first(vae))
        mine, theirs = read_groups(groups, reference_groups, len(images), len(reference_images))
        one = read_set(images, "images", mine, kind, frames, extract)
        other = read_set(reference_images, "reference_images", theirs, kind, frames, extract)
        found, by_group = measured(one, other, draws, matched_clips[0])
        show_warning(warning := doubts(one[0], other[0], found), "There are enough samples.")
        lines = [sets_report(found, one[0], other[0], kind, features[0], draws), *group_report(by_group, draws)]
        interval = (found.low, found.high) if draws >= 2 else (found.value, found.value)
        mean, count = by_group.mean.value if by_group else found.value, min(len(one[0]), len(other[0]))
        return io.NodeOutput(found.value, *interval, mean, count, "\n".join([*lines, *filter(None, [warning])]))


def group_names(name: str, clips: str, empty: str) -> io.String.Input:
    return io.String.Input(
        name, multiline=True, default="", optional=True,
        tooltip=f"A name for each clip of {clips}, one a line: its class, as in cFVD, or its person, as in sFVD. {empty}",
    )  # fmt: skip


def first(values: list | None):
    return values[0] if values else None


def read_groups(groups, reference_groups, count: int, reference_count: int) -> tuple[list[str], list[str]]:
    """The name of each clip of both sets, all empty where none are given."""
    mine, theirs = ((first(text) or "").strip().splitlines() for text in (groups, reference_groups))
    mine = mine or [""] * count * (not theirs)
    theirs = theirs or (mine if any(mine) else [""] * reference_count)
    for name, lines, clips in (("groups", mine, count), ("reference_groups", theirs, reference_count)):
        if len(lines) != clips:
            raise ValueError(
                f"{name}: expected {clips} names for {clips} clips, one a line, got {len(lines)}: write one for each clip, or "
                "leave both fields empty."
            )
    return [line.strip() for line in mine], [line.strip() for line in theirs]


def extractor(source: str, kind: str, frames: int, clip_vision, vae):
    """A function from a clip (N, H, W, 3) and the name of its input to a sample for each of its parts, [(d,)]."""
    from ...models.evaluate.features import cut, over_time, random_features

    if source == RANDOM:
        return lambda images, name: [random_features([part])[0] for part in cut(images, frames)]
    encode = frame_encoder(source, clip_vision, vae)
    if kind == FRAMES:
        return lambda images, name: list(encode(images, name))
    return lambda images, name: [over_time(encode(part, name)) for part in cut(images, frames)]


def frame_encoder(source: str, clip_vision, vae):
    """A function from pictures (N, H, W, 3) and their input's name to a vector of each, (N, d)."""
    from ..host.evaluate.clip import encode_images
    from ..host.evaluate.latents import latent_vectors
    from ..inputs import checks

    needed, model, loader = (
        ("clip_vision", clip_vision, "Load CLIP Vision") if source == CLIP else ("vae", vae, "Load VAE")
    )
    if model is None:
        raise ValueError(
            f"Compare Sets of Clips needs {needed} for the features {source}, but none is connected: connect {needed} from "
            f"{loader}, or choose {RANDOM}."
        )
    if source == CLIP:
        return lambda images, name: encode_images(model, images)

    def encode(images: Tensor, name: str) -> Tensor:
        checks.large_enough(images, name, 32)
        return latent_vectors(model, images)

    return encode


def read_set(clips: list, name: str, groups: list[str], kind: str, frames: int, extract) -> tuple[Tensor, list[str]]:
    """The samples (n, d) of a list of clips and the group of each."""
    import torch

    from ..host.progress import progress
    from ..inputs import checks

    report, found, names = progress(len(clips)), [], []
    for index, (clip, group) in enumerate(zip(clips, groups, strict=True)):
        vectors = extract(checks.rgb(clip, name), name)
        found += [vector.float().cpu() for vector in vectors]
        names += [group] * len(vectors)
        report(index + 1)
    if len(found) < 2:
        raise ValueError(few_text(name, len(found), clips, kind, frames))
    return torch.stack(found), names


def few_text(name: str, count: int, clips: list, kind: str, frames: int) -> str:
    """Why a set has too few samples, and what to do."""
    text = f"{name}: expected at least 2 samples, since a set has a spread, got {count}"
    if kind == FRAMES:
        return f"{text}: connect more frames, 100 or more for a steady number."
    cut = f" (clip_frames is {frames}, the longest clip has {max(map(len, clips))} frames)" if frames else ""
    return f"{text}{cut}: connect a list of clips, lower clip_frames, or let samples be {FRAMES}."


def measured(one: tuple, other: tuple, draws: int, matched: bool):
    """The distance of two sets of samples with their groups, and that by groups where there are any."""
    from ...models.evaluate.frechet import distance, distance_by_group
    from ..host.progress import progress

    if matched and (len(one[0]) != len(other[0]) or one[1] != other[1]):
        raise ValueError(
            f"matched_clips: expected as many samples on both sides, in the same groups, got {len(one[0])} and {len(other[0])}: "
            "connect the clips in the same order, or turn it off."
        )
    how = {"draws": draws, "matched": matched}
    found = distance(one[0], other[0], **how, report=progress(max(draws, 1)))
    if not any((*one[1], *other[1])):
        return found, None
    groups = distance_by_group(one[0], other[0], one[1], other[1], **how, report=progress(max(draws, 1)))
    return found, groups


def doubts(one: Tensor, other: Tensor, found) -> str | None:
    """A warning where few samples leave the spread open, or where an interval of nothing shows that the sets match."""
    fewest, features = min(len(one), len(other)), one.shape[1]
    said = []
    if fewest <= features:
        said.append(
            f"Few samples: {fewest}, with {features} features. The distance comes out too large and its interval is rough, so "
            f"compare it only with distances of as many samples, or give more than {features}."
        )
    if found.high == 0 and found.value > 0:
        said.append("The interval is 0 to 0: if the clips were made from the reference clips, turn on matched_clips.")
    return " ".join(said) or None


def sets_report(found, one: Tensor, other: Tensor, kind: str, source: str, draws: int) -> str:
    return (
        f"Fr\u00e9chet distance {numbers(found, draws)}, of {len(one)} {kind} and {len(other)} reference {kind}, {one.shape[1]} "
        f"features: {source}."
    )


def group_report(by_group, draws: int) -> list[str]:
    """The mean over groups, each group's own distance, and those with too few samples."""
    if by_group is None:
        return []
    each = ", ".join(f"{name or 'without a name'} {value:.4g}" for name, value in by_group.groups.items())
    left_out = f" Left out with fewer than 2 samples: {', '.join(by_group.left_out)}." if by_group.left_out else ""
    return [
        f"By group: mean {numbers(by_group.mean, draws)}, spread {by_group.spread:.4g} of {len(by_group.groups)} groups: {each}.{left_out}"
    ]


def numbers(found, draws: int) -> str:
    """A distance and its interval."""
    return f"{found.value:.4g}" + (f" (95 % interval {found.low:.4g} to {found.high:.4g})" if draws >= 2 else "")
