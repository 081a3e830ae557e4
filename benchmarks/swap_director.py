"""A swap by a stand-in generator, without and with the nodes around it: python3 scripts/host.py bench swap_director [--json]

The stand-in gives the true re-render of another character in the same motion, as large as its reference, in front of
everything, with colours that drift from chunk to chunk (_stand_in.py). Without the nodes the reference is 0.8 to 1.25 times as
large as it should be, as framed by eye, and the box is pasted whole with what is in front protected. With them the reference is
that of Fit Reference to Person, and Paste Crop Back pastes the subject alone in the colours of the clip, over the scene that the
layer nodes complete. The nodes get masks that are off by up to a pixel, keypoints of a detector, and no truth.

height       how far the new person's height is off that of the person, where both are wholly visible, in percent
lost         percent of the new person outside the box
occluder     intersection over union of what is in front of the new person with the truth
seam         how far the picture differs from the clip in the box where neither person is, in steps of 8 bits
color        how far the new person's colors are off, in steps of 8 bits
chunk step   how far these colors step where one chunk follows another, in steps of 8 bits
"""

import argparse
import json
import statistics
import sys
import time

import _pack  # noqa: F401
import _results
import torch
from _stand_in import Stage, crops, drift, generated, heights, scaled, stage, worn
from pack.models.layers.composite import Changes, composite_frame
from pack.models.layers.crop import Crop, Framing, plan_crop
from pack.models.layers.decompose import decompose
from pack.models.layers.fill import FillSettings, fill_scene
from pack.models.layers.paste import Paste
from pack.models.layers.subject_edge import grow, shrink
from pack.models.swap.chunks import along_chunks, join_frame, make_chunks
from pack.models.swap.colours import match_chunks
from pack.models.swap.person import place_person
from pack.models.swap.reference import fit_character

FIRST = 700  # seeds below were used while developing
FRAMES, CHUNK, OVERLAP = 33, 17, 4
MISTAKES = (0.8, 0.9, 1.1, 1.25)  # sizes of a reference that was framed by eye
SHOWN = {"height": ".1f", "lost": ".1f", "occluder": ".3f", "seam": ".1f", "color": ".1f", "chunk step": ".1f"}


def without_person(clip: Stage) -> torch.Tensor:
    """(N, H, W, 3) the clip with the person removed by the layer nodes."""
    layers = decompose(clip.images, clip.person_mask, None, "near is white", clip.occluder_mask[None])
    layers, _ = fill_scene(layers, FillSettings(grow_mask=3))
    out = [composite_frame(layers, Changes(remove_person=True), index)[0] for index in range(len(clip.images))]
    return torch.stack(out)


def crop_of(clip: Stage, hidden: bool) -> Crop:
    """The boxes of Crop to Subject in chunks of 4 n + 1 frames, with or without hidden_mask."""
    mask, front = (lambda i: clip.person_mask[i]), (lambda i: clip.occluder_mask[i])
    framing = Framing(0.25, 9, CHUNK, OVERLAP, 16, frame_step=4)
    crop = plan_crop(mask, len(clip.images), tuple(clip.images.shape[1:3]), framing, front if hidden else None)
    for part, cut in zip(crop.clips, crops(clip.person_mask[..., None], crop), strict=True):
        object.__setattr__(part, "mask", cut[..., 0])
    return crop


def reference_scale(clip: Stage) -> float:
    """How large a generator draws the character that keeps the size of the reference of Fit Reference to Person."""
    size, count = tuple(clip.images.shape[1:3]), len(clip.images)
    masks = (lambda i: clip.person_mask[i]), (lambda i: clip.occluder_mask[i])
    place = place_person(*masks, count, size, keypoints=clip.keypoints)
    fitted = fit_character(clip.portrait, clip.portrait_mask, place, size)
    return heights(fitted.mask[None])[0].item() / clip.character_standing[place.frame].item()


def pasted(clip: Stage, character: torch.Tensor, seed: int, nodes: bool) -> dict[str, float]:
    """The figures of one swap with the character (N, H, W, 4) as a generator draws it."""
    crop = crop_of(clip, nodes)
    clean = crops(generated(clip, character), crop)
    edited = [drift(chunk, number, seed) for number, chunk in enumerate(clean)]
    masks = [worn(mask[..., 0], seed + 7 + n) for n, mask in enumerate(crops(character[..., 3:], crop))]
    how = {"subjects": masks, "subject_feather": 3.0, "defringe": 2, "strength": 1.0} if nodes else {}
    original = without_person(clip) if nodes else clip.images
    paste = Paste(original, edited, crop, clip.occluder_mask, feather=16.0, **how)
    paste.measure_colours()
    result = torch.stack([paste.frame(index) for index in range(len(original))])
    return measure(clip, character, crop, result, arrived(clip, crop, character, masks if nodes else None))


def arrived(clip: Stage, crop: Crop, character: torch.Tensor, masks: list | None) -> torch.Tensor:
    """(N, H, W) how much of each pixel comes from the new person: its coverage pasted in the same way on nothing."""
    cover = crops(character[..., 3:].expand(*character.shape[:3], 3), crop)
    how = {"subjects": masks, "subject_feather": 3.0} if masks else {}
    paste = Paste(torch.zeros_like(clip.images), cover, crop, clip.occluder_mask, feather=16.0, **how)
    return torch.stack([paste.frame(index)[..., 0] for index in range(len(clip.images))])


def measure(
    clip: Stage, character: torch.Tensor, crop: Crop, result: torch.Tensor, person: torch.Tensor
) -> dict[str, float]:
    """The figures of a result (N, H, W, 3) with the new person's part of each pixel."""
    whole, box = character[..., 3] > 0.5, box_mask(crop)
    free = (clip.true_occluder.flatten(1).sum(1) == 0) | ~(whole & (clip.true_occluder > 0.5)).flatten(1).any(1)
    free &= (clip.true_whole - clip.true_person).flatten(1).amax(1) < 0.5
    height = heights(person)[free] / heights(clip.true_whole)[free] - 1
    colours = character[..., :3] / character[..., 3:].clamp_min(1e-3)
    inside = torch.stack([shrink(mask, 3) for mask in whole]) & box  # the person's own edge is no occluder
    front, true_front = inside & (person < 0.5), inside & (clip.true_occluder > 0.5)
    core = inside & (person > 0.99)
    away = lambda where: 255 * (result - colours).abs().mean(-1)[where].mean().item()
    neither = box & ~torch.stack([grow(one > 0.02, 4) for one in character[..., 3] + clip.true_whole])
    return {
        "height": 100 * height.abs().nanmedian().item(),
        "lost": 100 * (whole & ~box).sum().item() / whole.sum().item(),
        "occluder": (front & true_front).sum().item() / max(1, (front | true_front).sum().item()),
        "seam": 255 * (result - clip.images).abs().mean(-1)[neither].mean().item(),
        "color": away(core),
        "chunk step": steps(result - colours, core, [part.start for part in crop.clips[1:]]),
    }


def box_mask(crop: Crop) -> torch.Tensor:
    """(N, H, W) bool: inside the box."""
    out = torch.zeros(crop.frames, *crop.size, dtype=torch.bool)
    for clip in crop.clips:
        for place, (left, top, right, bottom) in enumerate(clip.boxes.clamp_min(0).tolist()):
            out[clip.start + place, top:bottom, left:right] = True
    return out


def steps(error: torch.Tensor, core: torch.Tensor, starts: list[int]) -> float:
    """The largest step of the mean colour error (N, H, W, 3) on the person from frame to frame near the starts of chunks."""
    means = torch.stack([frame[here].mean(0) for frame, here in zip(error, core, strict=True)])
    change = 255 * means.diff(dim=0).abs().amax(1)
    near = [index for start in starts for index in range(start - 1, min(start + OVERLAP + 1, len(change)))]
    return torch.nan_to_num(change[near]).max().item() if near else 0.0


def whole_pictures(clip: Stage, character: torch.Tensor, seed: int) -> dict[str, dict[str, float]]:
    """Chunks of whole pictures: one after the other, joined, and matched to the clip and joined."""
    clean, bounds = generated(clip, character), [(0, CHUNK), (CHUNK - OVERLAP, 2 * CHUNK - OVERLAP)]
    cut = [drift(clean[start:stop], number, seed) for number, (start, stop) in enumerate(bounds)]
    chunks = make_chunks(cut, OVERLAP)
    truth, mask = clean[: chunks.frames], clip.person_mask[: chunks.frames]
    mask = torch.maximum(mask, worn(character[: chunks.frames, ..., 3], seed + 9))
    plain = torch.cat([cut[0], cut[1][OVERLAP:]])
    joined = lambda found: torch.stack(
        [join_frame(chunks, i, lambda n, p: found.picture(chunks, n, p)) for i in range(chunks.frames)]
    )
    original = along_chunks([clip.images[: chunks.frames]], chunks, "reference_images")
    matched = match_chunks(chunks, original, along_chunks([mask], chunks, "subject_mask"))
    ways = {"one after the other": plain, "Join Chunks": joined(match_chunks(chunks)),
            "Match Colors of Clip, Join Chunks": joined(matched)}  # fmt: skip
    everywhere = torch.ones(truth.shape[:3], dtype=torch.bool)
    return {
        name: {
            "color": 255 * (video - truth).abs().mean().item(),
            "chunk step": steps(video - truth, everywhere, [CHUNK - OVERLAP]),
        }
        for name, video in ways.items()
    }


def clip_rows(seed: int, size: int, mistake: float) -> tuple[list[dict], bool]:
    """The rows of one clip, and whether anything is in front of the person in it."""
    clip = stage(seed, FRAMES, size)
    hidden = ((clip.true_whole - clip.true_person) > 0.5).flatten(1).sum(1).max() > 0.03 * clip.true_whole[0].sum()
    if not hidden:
        return [], False
    own = (clip.standing / clip.character_standing).median().item()
    wrong, right = scaled(clip.character, mistake * own), scaled(clip.character, reference_scale(clip))
    rows = [{"way": "without the nodes", "seed": seed, "mistake": mistake, **pasted(clip, wrong, seed, False)},
            {"way": "with the nodes", "seed": seed, "mistake": mistake, **pasted(clip, right, seed, True)}]  # fmt: skip
    whole = whole_pictures(clip, right, seed)
    return rows + [{"way": name, "seed": seed, **found} for name, found in whole.items()], True


def table(rows: list[dict]) -> str:
    """The median of each figure and its worst, by the way."""
    lines = [f"| way | {' | '.join(SHOWN)} |", f"|{' --- |' * (1 + len(SHOWN))}"]
    for way in dict.fromkeys(row["way"] for row in rows):
        cells = []
        for name, form in SHOWN.items():
            values = [row[name] for row in rows if row["way"] == way and name in row]
            worst = min if name == "occluder" else max
            cells.append(f"{statistics.median(values):{form}} ({worst(values):{form}})" if values else "")
        lines.append(f"| {way} | {' | '.join(cells)} |")
    return "\n".join(lines)


def kept_rows(rows: list[dict]) -> tuple[list[int], dict]:
    """The seeds of the clips, and the figures of each clip by way."""
    ways = {way: [row for row in rows if row["way"] == way] for way in dict.fromkeys(row["way"] for row in rows)}
    figures = lambda clips: {name: [clip[name] for clip in clips] for name in SHOWN if name in clips[0]}
    return list(dict.fromkeys(row["seed"] for row in rows)), {way: figures(clips) for way, clips in ways.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--first-seed", type=int, default=FIRST)
    parser.add_argument("--size", type=int, default=240, help="width in pixels; the height is 1.5 times as much")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--save", action="store_true", help="keep the figures of each clip as results/swap_director.json"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows, seed, count, begin = [], options.first_seed, 0, time.perf_counter()
    while count < options.clips:
        found, hidden = clip_rows(seed, options.size, MISTAKES[count % len(MISTAKES)])
        rows, seed, count = rows + found, seed + 1, count + hidden
        print(f"seed {seed - 1}: {'done' if hidden else 'nothing in front'}", file=sys.stderr, flush=True)
    if options.save:
        settings = {"size": options.size, "frames": FRAMES}
        _results.save("swap_director", _results.make(*kept_rows(rows), settings, options.threads))
    if options.json:
        print(json.dumps({"clips": count, "size": options.size, "rows": rows}, indent=2))
        return
    print(f"{table(rows)}\n\n{count} clips, {time.perf_counter() - begin:.0f} s; the median, and the worst in brackets")


if __name__ == "__main__":
    main()
