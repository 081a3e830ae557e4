"""One-shot edits beside their truth: python3 scripts/host.py bench edits [--clips N] [--json]

A held-out clip of the stage is sampled with another prompt: with other clothes, and in another light or
scene. The stage renders the same motion that way, so that each edit has a truth. Sampled through the pack's own nodes, all
with the same words, steps and cfg:

no tuning               the model of words on every frame by itself, with the depth, from noise
Tune-A-Video, no depth  tuned on the clip and sampled with a constant depth channel, 0; from the clip's inverted noise
ours, no inversion      tuned on the clip with its depth, from noise
ours                    the same, from the clip's inverted noise

flicker     difference of a frame from the next one warped back by the true flow, in steps of 8 bits, where the flow is
            valid; of the whole picture and of the person. Lower is steadier; the truth has some of its own.
PSNR        decibels to the true edit, of the whole picture and of the person
depth L2    mean square between the inverse depth that a small network reads in the made pictures and what it reads in the
            true ones, at a quarter of their size: its own errors then count on both sides. This benchmark trains it on
            other clips (_depth_reader.py).

Compared with the unchanged clip and the true edit through the auto-encoder, which no method can pass. Tunings and the
reader are kept in --folder for the next time, by the fingerprint of the model.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import _host  # noqa: F401
import comfy.sd
import comfy.utils
import torch
from _depth_reader import inverse_depth, load_or_train_reader, read
from _pack import ROOT
from _stage_edits import (
    BETTER,
    EDITS,
    FRAMES,
    SIZE,
    data_of,
    edits_of,
    flicker,
    held_out,
    markdown,
    scene_of,
    tables,
    winners,
)
from pack.models.evaluate.metrics import psnr
from pack.models.files import open_model
from pack.models.oneshot.files import fingerprint
from pack.models.stage import render
from pack.models.unet.words import word_tokens
from pack.nodes.oneshot.depth_channel import EncodeDepth
from pack.nodes.oneshot.inversion import EXACT, FAST, InvertVideo
from pack.nodes.oneshot.tuning import with_tuning
from pack.nodes.unet.loaders import open_video_model
from pack.training.loop.curve import write_picture
from pack.training.loop.draws import Draws
from pack.training.page.settings import RunSettings
from pack.training.recipes import make_recipe

import nodes as host

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
DEPTH, FLAT = "depth", "flat"


@dataclass(frozen=True)
class Method:
    tuned: str  # "", DEPTH or FLAT: what the depth channel holds, while it is tuned and while it samples
    inverted: bool


METHODS = {
    "no tuning": Method("", False),
    "Tune-A-Video, no depth": Method(FLAT, True),
    "ours, no inversion": Method(DEPTH, False),
    "ours": Method(DEPTH, True),
}


# -- tuning ----------------------------------------------------------------------------------------------------------


def tune(kind: str, data: dict, options, folder: Path) -> Path:
    """The file of a tuning on a clip, by the recipe of the training pack; an existing one is reused."""
    file = folder / f"{data['first_seed']}_{kind}_{options.steps}_{options.lr:g}" / "tuning.safetensors"
    if file.exists():
        return file
    settings = RunSettings(
        recipe="one_shot", folder=str(file.parent), data=data, steps=options.steps, lr=options.lr, warmup=20,
        model={"init": str(options.model), "vae": str(options.vae), "frames": FRAMES}, precision="bf16",
    )  # fmt: skip
    torch.manual_seed(Draws(settings.seed, 0).key("weights"))
    recipe = make_recipe(settings).to(DEVICE)
    recipe.prepare(DEVICE)
    if kind == FLAT:
        recipe.kept["depth"] = torch.zeros_like(recipe.kept["depth"])
    train(recipe, settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    recipe.export(file.parent)
    return file


def train(recipe, settings: RunSettings) -> None:
    """Trains a recipe with one example as the trainer does, in this process."""
    trained = list(recipe.trained().values())
    optimizer = torch.optim.AdamW(trained, settings.lr, settings.betas, weight_decay=settings.weight_decay)
    batch = {name: value[None].to(DEVICE) for name, value in recipe.sample(0).items()}
    for step in range(settings.steps):
        optimizer.param_groups[0]["lr"] = settings.rate_at(step)
        with recipe.in_precision(DEVICE):
            loss, _ = recipe(batch, Draws(settings.seed, step))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, settings.clip)
        optimizer.step()
        optimizer.zero_grad()


# -- sampling --------------------------------------------------------------------------------------------------------


def conditions(model, words: str, depth: torch.Tensor, flat: bool) -> list:
    """The prompt and the empty prompt with the depth (F, H, W), or with a constant depth."""
    pictures = torch.full((1, SIZE, SIZE, 3), 0.5) if flat else depth[..., None].expand(-1, -1, -1, 3)
    encoded = [[[word_tokens(text, model.model.video.words)[None], {}]] for text in (words, "")]
    return EncodeDepth.execute(*encoded, pictures, "per clip").result


def start_of(model, method: Method, source: dict, options) -> dict:
    """The LATENT to sample from: the clip's inverted noise, or the clip, to which the sampler adds noise."""
    if not method.inverted:
        return source["latent"]
    words = source["caption"] if options.invert_with == "caption" else ""
    positive = conditions(model, words, source["depth"], method.tuned == FLAT)[0]
    inversion = {"inversion": EXACT if options.iterations > 1 else FAST, "iterations": options.iterations}
    return InvertVideo.execute(
        model, positive, source["latent"], options.sampling_steps, inversion, "ddim_uniform"
    ).result[0]


def sampled(model, method: Method, start: dict, words: str, source: dict, options) -> torch.Tensor:
    """Latents (F, 4, h, w) sampled with the prompt of the edit."""
    positive, negative = conditions(model, words, source["depth"], method.tuned == FLAT)
    return host.KSamplerAdvanced().sample(
        model, "disable" if method.inverted else "enable", 0, options.sampling_steps, options.cfg, "euler",
        "ddim_uniform", positive, negative, start, 0, 10000, "disable",
    )[0]["samples"]  # fmt: skip


# -- all of it -------------------------------------------------------------------------------------------------------


class Bench:
    def __init__(self, options):
        self.options = options
        self.folder = options.folder / fingerprint(open_model(options.model)[1])[:12]
        self.vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(options.vae)))
        self.base = open_video_model(str(options.model))[0]
        self.reader = load_or_train_reader(self.vae, options.folder, *options.lessons, SIZE)

    def clip(self, number: int, seed: int) -> list[dict]:
        """A row for each edit and method, and for the two baselines."""
        data, begin = data_of(number, seed), time.perf_counter()
        scene = scene_of(data)
        clip = render(scene)
        edits = {name: render(EDITS[name](scene)) for name in edits_of(number)}
        results = {"the clip as it was": dict.fromkeys(edits, clip.rgb), **self.methods(data, clip, edits)}
        results["the truth, encoded"] = {name: self.decode(self.vae.encode(true.rgb)) for name, true in edits.items()}
        rows = [
            {"seed": seed, "edit": edit, "method": name, **self.score(videos[edit], true)}
            for name, videos in results.items() for edit, true in edits.items()
        ]  # fmt: skip
        for edit, true in edits.items():
            sheet = [results["the clip as it was"][edit], true.rgb, *(results[name][edit] for name in METHODS)]
            file = self.folder / f"{seed}_{edit}.png"
            write_picture(file, torch.cat([torch.cat(list(video[::2]), 1) for video in sheet]))
        print(f"seed {seed}, {time.perf_counter() - begin:.0f} s: {clip.caption}", file=sys.stderr, flush=True)
        return rows

    def methods(self, data: dict, clip, edits: dict) -> dict[str, dict[str, torch.Tensor]]:
        """{method: {edit: video (F, H, W, 3)}}"""
        results = {}
        source = {"caption": clip.caption, "depth": inverse_depth(clip)}
        source["latent"] = {"samples": self.vae.encode(clip.rgb)}
        for name, method in METHODS.items():
            model = self.base
            if method.tuned:
                model = with_tuning(model, tune(method.tuned, data, self.options, self.folder))[0]
            with torch.inference_mode():
                start = start_of(model, method, source, self.options)
                videos = (sampled(model, method, start, true.caption, source, self.options) for true in edits.values())
                results[name] = dict(zip(edits, map(self.decode, videos), strict=True))
        return results

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return self.vae.decode(latents).clamp(0, 1)

    def score(self, video: torch.Tensor, true) -> dict[str, float]:
        """Metrics of a clip (F, H, W, 3) against its ground truth."""
        person = true.person_mask > 0.5
        read_depth, true_depth = (read(self.reader, self.vae, pictures) for pictures in (video, true.rgb))
        return {
            "flicker": flicker(video, true.forward, true.forward_valid),
            "flicker_person": flicker(video, true.forward, true.forward_valid & person[:-1]),
            "psnr": psnr(video, true.rgb),
            "psnr_person": psnr(video[person], true.rgb[person]),
            "depth_l2": (read_depth - true_depth).square().mean().item(),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", type=Path, default=ROOT / "weights/diffusion_models/duet_words_128.safetensors")
    parser.add_argument("--vae", type=Path, default=ROOT / "weights/vae/duet_vae_128.safetensors")
    parser.add_argument("--folder", type=Path, default=ROOT / "output" / "edits", help="where tunings are kept")
    parser.add_argument("--clips", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0, help="of the clips, below 1000")
    parser.add_argument("--steps", type=int, default=150, help="of tuning")
    parser.add_argument("--lr", type=float, default=5e-4, help="of tuning")
    parser.add_argument("--sampling-steps", type=int, default=20)
    parser.add_argument("--cfg", type=float, default=1.0)
    parser.add_argument("--iterations", type=int, default=3, help="of exact inversion, 1 for the paper's rule")
    parser.add_argument(
        "--invert-with", choices=("caption", "nothing"), default="caption", help="words of the inversion"
    )
    parser.add_argument(
        "--lessons", type=int, nargs=2, default=(192, 600), help="clips and steps that train the reader"
    )
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    comfy.utils.PROGRESS_BAR_ENABLED = False
    bench, begin = Bench(options), time.perf_counter()
    rows = [row for n, seed in enumerate(held_out(options.clips, options.first_seed)) for row in bench.clip(n, seed)]
    found = tables(rows)
    best = winners(found["all"], METHODS)
    if options.json:
        about = {name: str(value) for name, value in vars(options).items()}
        print(json.dumps({"settings": about, "best": best, "tables": found, "rows": rows}, indent=2))
        return
    for kind, table in found.items():
        print(f"\n{kind}\n\n{markdown(table, METHODS)}")
    print(f"\nours is best at {sum(name == 'ours' for name in best.values())} of {len(BETTER)}, "
          f"in {time.perf_counter() - begin:.0f} s")  # fmt: skip


if __name__ == "__main__":
    main()
