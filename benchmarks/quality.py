"""How near the demo's clips are to real ones as sets: python3 scripts/host.py bench quality [--json] [--save FILE]

Generated clips of held-out seeds are compared with the stage's own of the same seeds by Fréchet distances of named features,
video and depth each: whole, by class (cFVD) and by person (sFVD), with the number of clips and a 95 % interval. The first row is
the stage against itself, other seeds of the same classes and persons: what a perfect model would have at this number of clips.
Distances only compare with those of the same features and the same number of clips, and are no FVD.
--save writes the rows and the figures of each clip.
"""

import argparse
import json
from functools import partial
from pathlib import Path

import _host  # noqa: F401
import torch
from _dance import SIZE, score, truth_of
from _pack import ROOT
from demo import make, open_models, roundtrip
from pack.models.choices import ACTIONS
from pack.models.depth.colormap import decode
from pack.models.depth.colormap import encode as heat
from pack.models.evaluate.features import over_time, random_features
from pack.models.evaluate.frechet import distance, distance_by_group
from pack.nodes.host.evaluate.latents import latent_vectors
from pack.nodes.pair.sampler import ALL, AUTO, TASKS
from pack.training.data.stage import VALIDATION


def real_clips(first_seed: int, options) -> list[dict]:
    """Clips in which the classes and the persons take turns, so that each has as many."""
    found = []
    for index in range(options.clips):
        action, person = ACTIONS[index % len(ACTIONS)], index // len(ACTIONS) % options.people
        # The person is drawn from a seed of its own below those of training.
        truth = truth_of(first_seed + index, action=action, character_seed=options.first_seed + person)
        found.append(truth | {"seed": first_seed + index, "class": action, "person": str(person)})
    return found


def made_by(system: str, models: dict, truth: dict, options) -> tuple[torch.Tensor, torch.Tensor]:
    """Video (F, H, W, 3) and depth (F, H, W) of a system on one clip."""
    if system == "auto-encoder":
        through = partial(roundtrip, models["vae"])
        return through(truth["video"]), decode(through(heat(truth["depth"], "hot")), "hot")
    settings = argparse.Namespace(**vars(options), task=system, poses=True, sampler=AUTO, scheduler=AUTO)
    return make(models, truth, settings, truth["seed"])


def features_of(clips: list[torch.Tensor], vae) -> dict[str, torch.Tensor]:
    """The named features (N, d) of clips (F, H, W, 3)."""
    return {
        "random filters": random_features(clips),
        "demo VAE": torch.stack([over_time(latent_vectors(vae, clip)) for clip in clips]),
    }


def halves_of(pairs: list[tuple], vae) -> dict[tuple[str, str], torch.Tensor]:
    """The features (N, d) of videos and depths by what they are of and their name."""
    grey = lambda clip: clip[..., None].expand(*clip.shape, 3) if clip.ndim == 3 else clip
    found = {}
    for half, pictures in enumerate(("video", "depth")):
        named = features_of([grey(pair[half]) for pair in pairs], vae)
        found |= {(pictures, name): values for name, values in named.items()}
    return found


def rows_of(
    system: str, made: dict, mine: list[dict], real: dict, theirs: list[dict], draws: int, matched: bool = True
) -> list[dict]:
    """The distances of video and depth by each kind of features, from halves_of() and the clips of both sides."""
    rows = []
    for (pictures, name), one in made.items():
        other = real[pictures, name]
        row = {"system": system, "clips": pictures, "features": name, "dimensions": one.shape[1], "samples": len(one)}
        row |= figures("distance", distance(one, other, draws, matched=matched))
        for key in ("class", "person"):
            groups = [[truth[key] for truth in truths] for truths in (mine, theirs)]
            found = distance_by_group(one, other, *groups, draws, matched=matched)
            row |= figures(f"by_{key}", found.mean) | {f"by_{key}_spread": found.spread}
        rows.append(row)
    return rows


def figures(name: str, found) -> dict[str, float]:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def evaluate(options) -> dict:
    """The rows of all systems, and the figures of each clip."""
    models = open_models(options.model, options.pose, options.vae)
    real, again = real_clips(options.first_seed, options), real_clips(options.first_seed + options.clips, options)
    exact = lambda truths: halves_of([(truth["video"], truth["depth"]) for truth in truths], models["vae"])
    known, clips = exact(real), []
    rows = rows_of("stage, other seeds", exact(again), again, known, real, options.draws, matched=False)
    for system in ("auto-encoder", *options.tasks):
        made = [made_by(system, models, truth, options) for truth in real]
        rows += rows_of(system, halves_of(made, models["vae"]), real, known, real, options.draws)
        for pair, truth in zip(made, real, strict=True):
            named = {key: truth[key] for key in ("seed", "class", "person")}
            clips.append({"system": system, **named, **score(*pair, truth, partial(roundtrip, models["vae"]))})
    return {"settings": settings_of(options), "rows": rows, "clips": clips}


def settings_of(options) -> dict:
    """What decides the figures; files by their names."""
    return {name: value.name if isinstance(value, Path) else value for name, value in vars(options).items()
            if name not in ("json", "save")} | {"size": SIZE}  # fmt: skip


def line(row: dict) -> str:
    part = lambda name: f"{row[name]:.4g} ({row[f'{name}_low']:.4g} to {row[f'{name}_high']:.4g})"
    few = "" if row["samples"] > row["dimensions"] else ", fewer clips than features"
    return (
        f"{row['system']:>18} {row['clips']:<5} {row['features']:<14} {part('distance')}, by class {part('by_class')}, "
        f"by person {part('by_person')}, n = {row['samples']}{few}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--save", type=Path, help="a JSON file of the rows and of each clip's figures")
    parser.add_argument("--model", type=Path, default=ROOT / "weights/diffusion_models/duet_dance_128.safetensors")
    parser.add_argument("--pose", type=Path, default=ROOT / "weights/controlnet/duet_dance_128_pose.safetensors")
    parser.add_argument("--vae", type=Path, default=ROOT / "weights/vae/duet_vae_128.safetensors")
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--people", type=int, default=4, help="different persons among the clips, each in every class")
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=[ALL], help="what the model generates")
    parser.add_argument("--sampling-steps", type=int, default=0, help="0: what the file of the model recommends")
    parser.add_argument("--cfg", type=float, default=0.0, help="0: what the file of the model recommends")
    parser.add_argument("--draws", type=int, default=200, help="of the bootstrap")
    parser.add_argument(
        "--first-seed", type=int, default=750, help="of the clips to generate; the first row takes as many after them"
    )
    options = parser.parse_args()
    if options.first_seed + 2 * options.clips > VALIDATION or options.clips < 2 * len(ACTIONS) * options.people:
        parser.error(
            f"Expected at least {2 * len(ACTIONS) * options.people} clips, two of each person in each class, and twice as many "
            f"seeds below {VALIDATION}, from which on models are chosen: change --clips, --people or --first-seed."
        )
    with torch.inference_mode():
        found = evaluate(options)
    if options.save:
        options.save.parent.mkdir(parents=True, exist_ok=True)
        options.save.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2) if options.json else "\n".join(map(line, found["rows"])))


if __name__ == "__main__":
    main()
