"""The paper's ablation on the stage: python3 scripts/host.py bench ablation [--steps N] [--seeds 0 1] [--json]

Every row is a network of its own, trained by training/launch.py with the recipe idol_video for the same steps on the same
clips, then sampled on clips that none was trained on: DDIM without guidance, the person, the empty room and the pose given. As
in the paper, all rows of a seed and a size begin from one picture network without depth, pose or time; with
--pictures 0 each begins from new weights. --at-once runs train at a time; the clips are encoded once for all
of them. It needs no host, so it also runs where only torch is: python3 benchmarks/ablation.py
Frechet distances are on features of the demo's auto-encoder (64 means of its last layer; for video also 64 of how they
change from frame to frame): they compare rows of one table with equal counts, and nothing else.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import _pack  # noqa: F401
import torch
from _dance import means, score, truth_of
from _pack import ROOT
from _runs import as_folder, committed_settings, train_run
from pack.models.depth.colormap import decode
from pack.models.depth.colormap import encode as heat
from pack.models.evaluate.metrics import frechet
from pack.training.data.stage import pixels
from pack.training.encode.encoders import Encoders
from pack.training.loop.draws import Draws
from pack.training.page.settings import RunSettings
from pack.training.recipes import make_recipe

SEPARATE = {"streams": "separate", "label": False, "cross_modal": "none"}
widths = lambda channels, groups: {"block_out_channels": channels, "norm_num_groups": groups}
# Of a network, and of each of two narrow ones that together weigh what it does; eight channels or more in every norm.
WIDTHS = {
    "demo": (widths([64, 96, 128], 8), widths([48, 64, 96], 4)),
    "small": (widths([32, 48, 64], 4), widths([20, 28, 40], 2)),  # a quarter of the weights
}
PICTURES = {"modalities": 1, "label": False, "cross_modal": "none"}
NO_LOSS = {"motion": 0.0, "maps": 0.0}
ROWS = {  # fields of the network, and the weights of the losses beside denoising (the paper's: 0.01)
    "separate": (SEPARATE, NO_LOSS),
    "separate, narrow": (SEPARATE, NO_LOSS),
    "shared": ({"cross_modal": "none"}, NO_LOSS),
    "+ cross-modal attention": ({}, NO_LOSS),
    "+ cross-attention loss": ({}, {"motion": 0.0}),
    "+ motion loss": ({}, {}),
    "shared maps, mean": ({"cross_modal": "none", "shared_maps": "avg"}, NO_LOSS),
    "shared maps, video's": ({"cross_modal": "none", "shared_maps": "video"}, NO_LOSS),
    "label in the ControlNet": ({"label_in_controlnet": True}, NO_LOSS),  # with the attention, without the losses
}
PAPER = {"separate": 0.0822, "shared": 0.0369, "+ cross-modal attention": 0.0360, "+ cross-attention loss": 0.0351,
         "+ motion loss": 0.0336, "shared maps, mean": 0.0706, "shared maps, video's": 0.0718}  # fmt: skip
AT_ONCE = 16  # clips that are sampled in one batch
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def train(row: str, seed: int, options) -> Path:
    """The folder of a row's models."""
    fields, losses = ROWS[row]
    run = settings_of("demo_video", row, seed, options)
    run |= {"steps": options.steps, "batch": options.batch, "lr": options.lr, "losses": options.losses | losses,
            "warmup": options.steps // 20, "checkpoint_every": max(1, options.steps // 4)}  # fmt: skip
    if options.pictures:
        gained = {"modalities": 2, "cross_modal_width": run["model"]["config"]["cross_modal_width"]}
        run["model"] |= {"init": str(pictures(row, seed, options)), "config": gained | fields}
    else:
        run["model"]["config"] |= fields
    return train_run(run | {"folder": f"{as_folder(row)}_seed{seed}"}, options.folder)


def pictures(row: str, seed: int, options) -> Path:
    """A picture network of a row's width, of a person in a scene, one for all rows of its width and seed."""
    run = settings_of("demo_image", row, seed, options)
    run["model"]["config"] |= PICTURES
    run["model"]["pose"] = False
    run |= {"steps": options.pictures, "batch": 4 * options.batch, "lr": 2e-3, "losses": NO_LOSS,
            "warmup": 60, "checkpoint_every": 300}  # fmt: skip
    width = "narrow" if is_narrow(row) else "wide"
    return train_run(run | {"folder": f"pictures_{width}_seed{seed}"}, options.folder) / "model.safetensors"


def settings_of(name: str, row: str, seed: int, options) -> dict:
    """One of the pack's own runs, made small: its network as wide as a row's, its data those of the table."""
    run, shape = committed_settings(name), committed_settings("demo_image")["model"]["config"]
    kept = str(options.folder.resolve() / "clips.safetensors")
    config = {**shape, **WIDTHS[options.widths][is_narrow(row)]}
    size = {"size": options.size, "frames": options.frames, "frame_rate": options.fps}
    return run | {
        "model": {"vae": str(options.vae.resolve()), "config": config, "kept": kept},
        "data": {"kind": "stage", "clips": options.clips_to_train, **size, "objects": [0]},
        "seed": seed, "keep": 1, "ema": 0.995, "workers": options.workers, "sample_every": 0,
    }  # fmt: skip


def is_narrow(row: str) -> bool:
    return row.endswith("narrow")


def truths(options) -> list[dict]:
    """Clips that no run was trained on."""
    return [truth_of(seed, options.size, options.frames, options.fps) for seed in range(options.clips)]


@torch.inference_mode()
def evaluate(model: Path, vae: Path, true_clips: list[dict], steps: int) -> dict[str, float]:
    """Metrics of the models of a run's folder on held-out clips."""
    files = {"init": str(model / "model.safetensors"), "controlnet": str(model / "pose.safetensors")}
    data = {"kind": "stage", "clips": 1}
    settings = RunSettings("idol_video", data, str(model), model={**files, "vae": str(vae)})
    recipe = make_recipe(settings).to(DEVICE).eval()
    return compare(recipe.encoders, true_clips, lambda some, first: sample_clips(recipe, some, first, steps))


@torch.inference_mode()
def floor(vae: Path, true_clips: list[dict]) -> dict[str, float]:
    """Metrics of a network without error: the ground truth through the auto-encoder."""
    encoders = Encoders(str(vae)).to(DEVICE)

    def encode_and_decode(some: list[dict], _: int) -> tuple[list, list]:
        depths = [roundtrip(encoders, heat(truth["depth"], "hot")) for truth in some]
        return [roundtrip(encoders, truth["video"]) for truth in some], [decode(depth, "hot") for depth in depths]

    return compare(encoders, true_clips, encode_and_decode)


def compare(encoders: Encoders, true_clips: list[dict], make: Callable) -> dict[str, float]:
    """Metrics of `make`, which returns videos and depths of some clips and takes the number of the first one."""
    rows, collected = [], {"made": [], "true": []}
    for first in range(0, len(true_clips), AT_ONCE):
        some = true_clips[first : first + AT_ONCE]
        for truth, video, depth in zip(some, *make(some, first), strict=True):
            rows.append(score(video, depth, truth, partial(roundtrip, encoders)))
            for name, pictures in (("made", video), ("true", truth["video"])):
                collected[name].append(features(encoders, pictures))
    frames = {name: torch.cat(values) for name, values in collected.items()}
    clips = {
        n: torch.stack([torch.cat((f.mean(0), f.diff(dim=0).abs().mean(0))) for f in v]) for n, v in collected.items()
    }
    return means(rows) | {"frechet_picture": frechet(frames["made"], frames["true"]),
                          "frechet_video": frechet(clips["made"], clips["true"])}  # fmt: skip


def sample_clips(recipe, some: list[dict], number: int, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Videos (B, F, H, W, 3) and depths (B, F, H, W) from the person, the empty room and the pose of each clip."""
    stacked = lambda name: torch.stack([pixels(truth[name]) for truth in some]).to(DEVICE)
    batch = {"person": stacked("person")[:, 0], "room": stacked("room")[:, 0], "pose": stacked("pose")}
    frames, side = some[0]["video"].shape[:2]
    like = torch.empty(len(some), 2, frames, 4, side // 8, side // 8, device=DEVICE)
    latents = recipe.sample_pair(batch, Draws(0, number).normal("start", like), steps)
    sampled = [recipe.encoders.pictures(half.flatten(0, 1)).permute(0, 2, 3, 1).cpu() for half in latents.unbind(1)]
    video, depth = (pictures.unflatten(0, (len(some), frames)) for pictures in sampled)
    return video, decode(depth, "hot")


def roundtrip(encoders: Encoders, pictures: torch.Tensor) -> torch.Tensor:
    """(F, H, W, 3) pictures through the auto-encoder."""
    return encoders.pictures(encoders.latents(pixels(pictures).to(DEVICE))).permute(0, 2, 3, 1).cpu()


def features(encoders: Encoders, pictures: torch.Tensor) -> torch.Tensor:
    """(F, H, W, 3) pictures to (F, 64) means of the input of the encoder's last layer."""
    return encoders.vae.taesd_encoder[:-1](pictures.permute(0, 3, 1, 2).to(DEVICE)).mean((2, 3)).cpu()


def train_and_evaluate(row: str, seed: int, options) -> dict[str, float]:
    """Trains and evaluates a row; the evaluation is a process of its own, so that several run at once."""
    model = train(row, seed, options)
    same = ("vae", "clips", "size", "frames", "fps", "sampling_steps")
    arguments = [word for name in same for word in (f"--{name.replace('_', '-')}", str(getattr(options, name)))]
    command = [sys.executable, __file__, "--judge", str(model), *arguments]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, default=ROOT / "output" / "ablation", help="where the runs are kept")
    parser.add_argument("--vae", type=Path, default=ROOT / "weights/vae/duet_vae_128.safetensors")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--pictures", type=int, default=2000, help="steps of the network that all begin from, 0: none")
    parser.add_argument("--steps", type=int, default=1000, help="of training")
    parser.add_argument("--batch", type=int, default=4, help="clips of a step")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--widths", choices=list(WIDTHS), default="small", help="of the networks")
    losses = {"early": 0.5, "depth": 2.0}
    parser.add_argument("--losses", type=json.loads, default=losses, help=f"for all rows, {json.dumps(losses)}")
    parser.add_argument("--workers", type=int, default=0, help="processes of each run that read its clips")
    parser.add_argument("--at-once", type=int, default=2, help="runs that train beside each other")
    parser.add_argument("--clips-to-train", type=int, default=512)
    parser.add_argument("--size", type=int, default=96, help="pixels a side")
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--fps", type=float, default=4.0)
    parser.add_argument("--clips", type=int, default=96, help="held out, to evaluate on")
    parser.add_argument("--sampling-steps", type=int, default=2, help="of DDIM; two are the noisiest and the cleanest")
    parser.add_argument("--judge", type=Path, help="no table: the figures of the models in one folder")
    options = parser.parse_args()
    if options.judge:
        print(json.dumps(evaluate(options.judge, options.vae, truths(options), options.sampling_steps), indent=2))
        return
    runs = [(row, seed) for row in options.rows for seed in options.seeds]
    with ThreadPoolExecutor(options.at_once) as pool:
        found = dict(zip(runs, pool.map(lambda run: train_and_evaluate(*run, options), runs), strict=True))
    table, floor_figures = {}, floor(options.vae, truths(options))
    for row in options.rows:
        each = [found[row, seed] for seed in options.seeds]
        table[row] = {name: [values[name] for values in each] for name in each[0]}
        if not options.json:
            print(line(row, table[row]), flush=True)
    if not options.json:
        print(line("no error but the VAE's", {name: [value] for name, value in floor_figures.items()}))
    else:
        about = {
            "pictures": options.pictures,
            "steps": options.steps,
            "batch": options.batch,
            "seeds": options.seeds,
            "clips": options.clips,
            "device": DEVICE,
        }
        print(json.dumps({**about, "paper_depth_l2": PAPER, "rows": table, "floor": floor_figures}, indent=2))


def line(row: str, values: dict[str, list[float]]) -> str:
    """The mean over seeds and half their spread, and the paper's depth L2 beside ours."""
    parts = [f"{name} {statistics.fmean(v):.4f} ± {(max(v) - min(v)) / 2:.4f}" for name, v in values.items()]
    return f"{row:>24}: {', '.join(parts)} (paper's depth L2 {PAPER.get(row, 'unknown')})"


if __name__ == "__main__":
    main()
