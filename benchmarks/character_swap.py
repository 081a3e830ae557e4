"""Metrics of a character swap on held-out clips of the stage: python3 scripts/host.py bench character_swap

A clip is taken apart with its true masks and depth, its scene is completed, and another character is put into it through
the pack's own nodes on the real host: given as one picture in A-pose, moved by the joints of the new body in space, behind
the occluder, whose own pixels are composited over the frames. The truth is the same scene rendered with that character.
The rows:

- as in the workflow character_swap: the pose of the old actor, flat joints lifted by depth, fitted to the new body, and the
  generated person is cut out by that body and composited into the clip; its scene is the true one, so compare the person
- the pose of the old actor, not fitted to the new body
- without the layers, without the features of the reference (the tokens stay): switched off while sampling; networks that were
  trained without them, and one that was trained on a flat skeleton, are in bench swap_ablation
- the joint road: the model of video and depth with the old actor's flat skeleton in the new body's proportions, sampled as its
  file recommends; its own depth gives the mask and the order (_joint_swap.py). Only this row has depth: the last column is
  the mean error of the depth where the new character is visible, in greys of the clip's range
- no model: the unchanged clip, and the ground truth through the auto-encoder, the upper bound of models on its latents
"""

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import _host  # noqa: F401
import comfy.sd
import comfy.utils
import torch
from _joint_swap import fit_pose, open_pair, swap_jointly
from _pack import ROOT
from comfy.patcher_extension import WrappersMP
from comfy_extras.nodes_mask import GrowMask
from pack.models.character.from_keypoints import body_from_keypoints
from pack.models.character.posed_body import pose_body, render_body
from pack.models.choices import DEPTH_TYPES, KEYPOINT_SOURCES
from pack.models.evaluate.metrics import depth_errors, psnr
from pack.models.layers.layers import nearness
from pack.models.stage import Clip, character_keypoints, render, render_character, sample_scene
from pack.nodes.character.body import DrawBody
from pack.nodes.character.swap import EncodeSwap
from pack.nodes.host.character.conditioning import REFERENCE, set_layers
from pack.nodes.layers.composite import CompositeLayers
from pack.nodes.layers.decompose import DecomposeLayers
from pack.nodes.layers.scene import FillScene
from pack.nodes.unet.loaders import open_video_model

import nodes as host

SIZE, FRAMES, FPS = 128, 8, 8.0
OTHER = 500  # added to the seed of a clip for the new character; both are below the seeds of training
DEPTH = "person_depth_error"


@dataclass
class Swap:
    """A decomposed clip, the new character, and the ground truth."""

    seed: int
    source: Clip
    truth: Clip
    layers: dict  # DUET_LAYERS with the completed scene
    scene: torch.Tensor  # (F, H, W, 3) completed
    far: torch.Tensor  # (F, H, W, 3) its depth
    true_depth: torch.Tensor  # (F, H, W) of the truth in the greys of the source
    occluder: torch.Tensor  # (F, H, W) what passes in front
    reference: torch.Tensor  # (1, H, W, 4)
    character: list  # its keypoints
    motions: dict[str, torch.Tensor]  # (F, H, W, 3) by the kind of motion pictures
    body: torch.Tensor  # (F, H, W) silhouette of the old actor's pose on the new body


def swap_of(seed: int) -> Swap:
    size = {"frames": FRAMES, "height": SIZE, "width": SIZE, "frame_rate": FPS}
    old = sample_scene(seed, objects=seed % 2, **size)
    new = old.with_character(OTHER + seed)
    source, truth = render(old), render(new)
    objects = source.layers[1:, ..., 3].flatten(0, 1) if old.objects else None
    low, high = (1 / source.depth).aminmax()
    greys = lambda clip: (1 / clip.depth - low) / (high - low)
    depth = greys(source)[..., None].expand(-1, -1, -1, 3)
    layers, _, occluder, *_ = DecomposeLayers.execute(
        source.rgb,
        source.person_mask,
        DEPTH_TYPES[0],
        "object masks",
        0.4,
        0.15,
        0.25,
        depth=depth,
        object_masks=objects,
        keypoints=source.keypoints,
    ).result
    layers, scene, far, _ = FillScene.execute(layers, True, 2).result
    picture, mask = render_character(new)
    draw_body = lambda posed: render_body(posed, slice(0, FRAMES)).body
    motions = {
        "joints": draw_body(pose_body(truth.joints, new.view().focal, SIZE, SIZE)),
        "unfitted": draw_body(
            body_from_keypoints(source.keypoints, lambda i: nearness(source.depth[i], "distance"), SIZE, SIZE)
        ),
        "skeleton": truth.pose,
    }
    motions["fitted"], body = fit_body(source.keypoints, character_keypoints(new), depth)
    reference = torch.cat((picture, mask[..., None]), -1)
    return Swap(
        seed=seed, source=source, truth=truth, layers=layers, scene=scene, far=far, true_depth=greys(truth),
        occluder=occluder, reference=reference, character=character_keypoints(new), motions=motions, body=body,
    )  # fmt: skip


def fit_body(keypoints, character, depth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The old actor's pose on the new body: code (F, H, W, 3) and silhouette (F, H, W)."""
    fitted = fit_pose(keypoints, character)
    code, _, body = DrawBody.execute(fitted, 0, 0, DEPTH_TYPES[0], depth, KEYPOINT_SOURCES[1]).result
    return code, body


def composite_person(result: torch.Tensor, swap) -> torch.Tensor:
    """Composites the person of a sampled clip among the layers of the clip, (F, H, W, 3)."""
    matte = GrowMask.execute(swap.body, 2, True).result[0]
    return CompositeLayers.execute(
        swap.layers, False, False, "by depth", 0.0, character=result, character_mask=matte
    ).result[0]


def without_reference(executor, *args, **conds):
    """A wrapper around the host's forward pass that removes the reference features."""
    conds.pop(REFERENCE, None)
    return executor(*args, **conds)


def swap_character(model, vae, swap: Swap, motion: str, layers: bool, options) -> torch.Tensor:
    """(F, H, W, 3) by the stock sampler, with the occluder composited over it if the clip is decomposed."""
    video = model.model.video
    front = {"occluder": swap.source.rgb, "occluder_mask": swap.occluder}
    front = front if video.layer_codes == 2 and swap.occluder.any() else {}
    positive, negative, latent = EncodeSwap.execute(
        vae, swap.reference, swap.motions[motion], swap.scene, **front
    ).result
    if not video.reference:
        positive = [[tokens, {k: v for k, v in more.items() if k != REFERENCE}] for tokens, more in positive]
    if not video.layer_codes:
        positive, negative = set_layers(positive, None), set_layers(negative, None)
    elif not layers:  # as in the share of training that has none
        nothing = torch.zeros(1, video.out_channels * video.layer_codes, SIZE // 8, SIZE // 8)
        positive, negative = set_layers(positive, nothing), set_layers(negative, nothing)
    sampled = host.common_ksampler(
        model, swap.seed, options.sampling_steps, options.cfg, "euler", "simple", positive, negative, latent
    )[0]
    result = vae.decode(sampled["samples"]).clamp(0, 1)
    return result.lerp(swap.source.rgb, swap.occluder[..., None]) if layers else result


def ssim(result: torch.Tensor, truth: torch.Tensor) -> float:
    """Structural similarity of (F, H, W, 3) in [0, 1], windows of 7 pixels, after Wang and others (2004)."""
    x, y = (pictures.movedim(-1, 1).double() for pictures in (result, truth))
    mean = lambda values: torch.nn.functional.avg_pool2d(values, 7, 1)
    mx, my = mean(x), mean(y)
    vx, vy, both = (mean(a * b) - mean(a) * mean(b) for a, b in ((x, x), (y, y), (x, y)))
    alike = (2 * mx * my + 1e-4) * (2 * both + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    return alike.mean().item()


def score(result: torch.Tensor, depth: torch.Tensor | None, swap: Swap) -> dict[str, float]:
    """Figures of frames (F, H, W, 3), and of their depth (F, H, W) where there is one."""
    here = swap.truth.person_mask > 0.5
    found = {
        "psnr": psnr(result, swap.truth.rgb),
        "person_psnr": psnr(result[here], swap.truth.rgb[here]),
        "ssim": ssim(result, swap.truth.rgb),
    }
    if depth is not None:
        found[DEPTH] = depth_errors(depth, swap.true_depth, swap.truth.person_mask)["person_mae"]
    return found


def methods(models: dict, vae, options) -> dict:
    """Rows by name: a function from a swap to its frames, and to their depth or None."""
    without_depth = lambda row: lambda swap: (row(swap), None)
    return {
        **{name: without_depth(row) for name, row in character_methods(models["model"], vae, options).items()},
        "the joint road": lambda swap: swap_jointly(models["pair"], vae, swap),
        "the clip as it was": without_depth(lambda swap: swap.source.rgb),
        "the truth through the auto-encoder": without_depth(
            lambda swap: vae.decode(vae.encode(swap.truth.rgb)).clamp(0, 1)
        ),
    }


def character_methods(ours, vae, options) -> dict:
    """Rows of the character model: a function from a swap to its frames."""
    no_reference = ours.clone()
    no_reference.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "without_reference", without_reference)
    method = lambda model, motion="joints", layers=True: (
        lambda swap: swap_character(model, vae, swap, motion, layers, options)
    )
    return {
        "ours": method(ours),
        "ours as in the workflow character_swap": lambda swap: composite_person(method(ours, "fitted")(swap), swap),
        "ours, the old actor's pose as seen": method(ours, "unfitted"),
        "no decomposition (layers off in sampling)": method(ours, layers=False),
        "no reference attention (off in sampling)": method(no_reference),
    }


def measure(models: dict, vae, options) -> list[dict]:
    found = {name: [] for name in methods(models, vae, options)}
    seconds = {name: [] for name in found}
    for seed in range(options.clips):
        swap = swap_of(seed)
        for name, row in methods(models, vae, options).items():
            begin = time.perf_counter()
            result, depth = row(swap)
            seconds[name].append(time.perf_counter() - begin)
            found[name].append(score(result, depth, swap))
    means = {
        name: {figure: statistics.fmean(one[figure] for one in each) for figure in each[0]}
        for name, each in found.items()
    }
    return [{"row": name, **means[name], "seconds": statistics.median(seconds[name])} for name in found]


def open_models(options) -> tuple[dict, object]:
    """The models by name, and the VAE; a file that is missing ends the benchmark."""
    for name in ("vae", "model"):
        if not getattr(options, name).is_file():
            raise SystemExit(f"There is no {getattr(options, name)}: name another with --{name}.")
    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(options.vae)))
    return {"model": open_video_model(str(options.model))[0], "pair": open_pair()}, vae


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", type=Path, default=ROOT / "weights/diffusion_models/duet_character_128.safetensors")
    parser.add_argument("--vae", type=Path, default=ROOT / "weights/vae/duet_vae_128.safetensors")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--sampling-steps", type=int, default=20)
    parser.add_argument("--cfg", type=float, default=1.0)
    options = parser.parse_args()
    models, vae = open_models(options)
    comfy.utils.PROGRESS_BAR_ENABLED = False
    with torch.inference_mode():
        rows = measure(models, vae, options)
    if options.json:
        about = {"clips": options.clips, "sampling_steps": options.sampling_steps, "cfg": options.cfg}
        print(json.dumps({**about, "rows": rows}, indent=2))
        return
    print(f"{options.clips} clips of {FRAMES} frames, {SIZE} px")
    print(f"{'':<44}{'PSNR':>8}{'person':>9}{'SSIM':>8}{'seconds a clip':>16}{'depth, person':>15}")
    for row in rows:
        depth = f"{row[DEPTH]:>15.4f}" if DEPTH in row else ""
        figures = f"{row['psnr']:>8.2f}{row['person_psnr']:>9.2f}{row['ssim']:>8.3f}{row['seconds']:>16.1f}"
        print(f"{row['row']:<44}{figures}{depth}")


if __name__ == "__main__":
    main()
