"""Writes the pictures of the layer, crop, motion code and character pages from the output of the nodes.

python3 scripts/host.py exec python scripts/write_layer_pictures.py
"""

import sys
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[1]
sys.path[0:0] = [str(ROOT / "benchmarks"), str(ROOT / "scripts")]
import _host  # noqa: E402, F401
import _joint_swap as joint  # noqa: E402
import character_swap as bench  # noqa: E402
import comfy.sd  # noqa: E402
import comfy.utils  # noqa: E402
import torch  # noqa: E402
from pack.models.choices import DEPTH_TYPES, KEYPOINT_SOURCES  # noqa: E402
from pack.models.depth.range import normalize_clip  # noqa: E402
from pack.models.pose.drawing import draw  # noqa: E402
from pack.models.stage import character_keypoints, render, render_character, sample_scene  # noqa: E402
from pack.nodes.character.align import AlignPose  # noqa: E402
from pack.nodes.character.body import DrawBody  # noqa: E402
from pack.nodes.depth.heat_map import HeatMapToDepth  # noqa: E402
from pack.nodes.depth.match import MaskByDepth, MatchDepth  # noqa: E402
from pack.nodes.layers.composite import CompositeLayers  # noqa: E402
from pack.nodes.layers.crop import CropToSubject  # noqa: E402
from pack.nodes.layers.decompose import DecomposeLayers, EditLayers  # noqa: E402
from pack.nodes.layers.motion import MaskByMotion  # noqa: E402
from pack.nodes.layers.people import SelectPerson  # noqa: E402
from pack.nodes.layers.scene import FillScene  # noqa: E402
from pack.nodes.layers.split import SplitLayers  # noqa: E402
from pack.nodes.unet.loaders import open_video_model  # noqa: E402
from write_pictures import grid, sheet  # noqa: E402

SIZE, FRAMES, K = 256, 12, 5


def stage(seed: int, objects: int = 1, action: str = "dance"):
    """A clip and its depth as grey pictures (N, H, W, 3), from 1.5 to 8 metres."""
    scene = sample_scene(seed, frames=FRAMES, height=SIZE, width=SIZE, frame_rate=8.0, action=action, objects=objects)
    clip = render(scene)
    grey = normalize_clip(clip.depth, depth_type="distance", depth_scale="inverse", near=1.5, far=8.0)[0]
    return scene, clip, grey[..., None].expand(-1, -1, -1, 3).contiguous()


def decomposed(clip, depth):
    return DecomposeLayers.execute(
        clip.rgb,
        clip.person_mask,
        DEPTH_TYPES[0],
        "object masks",
        0.4,
        0.15,
        0.25,
        depth=depth,
        object_masks=clip.occluder_mask,
        keypoints=clip.keypoints,
    ).result


def composite(layers, **changes):
    options = {
        "remove_person": False,
        "remove_occluders": False,
        "insert_position": "by depth",
        "feather": 0.0,
    } | changes
    return CompositeLayers.execute(layers, **options).result[0][K]


def layer_pictures(clip, depth, other, other_depth) -> None:
    layers, *_, preview, report = decomposed(clip, depth)
    print(report)
    sheet("DuetDecomposeLayers", [[("clip", clip.rgb[K]), ("layers", preview[min(K, len(preview) - 1)])]])
    edited = EditLayers.execute(layers, "", "0", 0, FRAMES - 1).result
    before, after = (shown[min(K, len(shown) - 1)] for shown in (preview, edited[-2]))
    sheet("DuetEditLayers", [[("before", before), ("object 0 to the scene", after)]])
    full, scene, far, sure = FillScene.execute(layers, True, 4).result
    sheet(
        "DuetFillScene",
        [[("clip", clip.rgb[K]), ("scene", scene[K]), ("its depth", far[K]), ("confidence", sure[K])]],
    )
    parts = SplitLayers.execute(full, "straight", -1).result
    names = ("scene", "person", "occluder")
    kinds = ("", " alpha", " depth")
    sheet("DuetSplitLayers", [[(names[r] + kinds[c], parts[3 * r + c][K]) for r in range(3)] for c in range(3)])
    new = {"character": other.rgb, "character_mask": other.person_mask, "character_depth": other_depth}
    thing = {
        "inserted_object": other.rgb,
        "inserted_object_mask": other.occluder_mask,
        "inserted_object_depth": other_depth,
    }
    made = [("person removed", composite(full, remove_person=True)), ("a character", composite(full, **new)),
            ("an object by depth", composite(full, **thing))]  # fmt: skip
    sheet("DuetCompositeLayers", [[("clip", clip.rgb[K]), *made]])


def motion_mask_pictures(k: int = 10) -> None:
    scene = sample_scene(19, frames=24, height=SIZE, width=SIZE, frame_rate=8.0, action="walk", objects=0)
    clip = render(scene)
    mask, picture, report = MaskByMotion.execute(clip.rgb, 0.5, 0.05, False, 2).result
    print(report)
    sheet("DuetMaskByMotion", [[("clip", clip.rgb[k]), ("mask", mask[k]), ("scene", picture[0])]])


def people_pictures(k: int = 2) -> None:
    """Two people of two clips in one."""
    (_, one, _), (_, two, _) = stage(19, 0, "walk"), stage(23, 0, "wave")
    shift = lambda layer, pixels: layer.roll(pixels, 2)
    first, second = shift(one.layers[0], -SIZE // 5), shift(two.layers[0], SIZE // 5)
    images = one.scene_images
    for layer in (first, second):
        images = images * (1 - layer[..., 3:]) + layer[..., :3]
    both = torch.maximum(first[..., 3], second[..., 3])
    number = {"select_by": "number", "person_number": 0}
    person, others, count, preview, report = SelectPerson.execute(both, number, 0.2, images).result
    print(report)
    shown = [
        ("clip", images[k]),
        ("mask", both[k]),
        ("people", preview[0]),
        ("person 0", person[k]),
        ("other", others[k]),
    ]
    sheet("DuetSelectPerson", [shown])


def crop_pictures(clip) -> None:
    cut, masks, crop = CropToSubject.execute(clip.rgb, clip.person_mask, 128, 128, 0.1, 5, 0, 0).result
    cut = cut if isinstance(cut, torch.Tensor) else cut[0]
    left, top, right, bottom = box_of(crop)
    framed = clip.rgb[K].clone()
    for rows, columns in ((slice(top, top + 3), slice(left, right)), (slice(bottom - 3, bottom), slice(left, right)),
                          (slice(top, bottom), slice(left, left + 3)), (slice(top, bottom), slice(right - 3, right))):  # fmt: skip
        framed[rows, columns] = torch.tensor([1.0, 0.6, 0.0])
    sheet("DuetCropToSubject", [[("clip", framed), *((f"crop {k}", cut[k]) for k in (0, K, 2 * K))]])


def motion_pictures(scene, clip, depth) -> None:
    exact = KEYPOINT_SOURCES[1]
    body, near, mask = DrawBody.execute(clip.keypoints, SIZE, SIZE, DEPTH_TYPES[0], depth, exact).result
    pose = draw(clip.keypoints[K : K + 1], SIZE, SIZE)[0]
    sheet("DuetDrawBody", [[("keypoints", pose), ("body", body[K]), ("its depth", near[K]), ("its mask", mask[K])]])
    _, small, _ = stage(44, 0, "wave")
    fitted = AlignPose.execute(clip.keypoints, small.keypoints, True, "character", "feet").result[0]
    sheet(
        "DuetAlignPose",
        [[("clip", pose), ("character", small.rgb[0]), ("fitted", draw(fitted[K : K + 1], SIZE, SIZE)[0])]],
    )
    character = render_character(scene)[0][0]
    files = ("reference_unet", "denoising_unet", "motion_module", "pose_guider")
    sheet("DuetLoadCharacterModel", [[(name, grid(k)) for k, name in enumerate(files)],
                                     [("the character", character), ("scene", clip.scene_images[K]), ("all frames", clip.rgb[K]), ("body", body[K])]])  # fmt: skip


def swap_of(seed: int, who: int) -> SimpleNamespace:
    """The inputs of the workflow swap_with_depth: a decomposed clip and the new character."""
    scene = sample_scene(seed, frames=16, height=128, width=128, frame_rate=8.0, action="dance", objects=1)
    character = sample_scene(who, frames=1, height=128, width=128, objects=0)
    clip = render(scene)
    grey = normalize_clip(clip.depth, depth_type="distance", depth_scale="inverse")[0]
    layers = decomposed(clip, grey[..., None].expand(-1, -1, -1, 3))[0]
    layers, plate, far, _ = FillScene.execute(layers, True, 2).result
    picture, mask = render_character(character)
    joints = character_keypoints(character)
    code, body = bench.fit_body(clip.keypoints, joints, grey[..., None].expand(-1, -1, -1, 3))
    return SimpleNamespace(
        seed=1, source=clip, layers=layers, scene=plate, far=far, occluder=clip.occluder_mask,
        reference=picture, mask=mask, character=joints, motions={"fitted": code}, body=body,
    )  # fmt: skip


def own_vae():
    return comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(ROOT / "weights/vae/duet_vae_128.safetensors")))


def swap_pictures(k: int = 12) -> None:
    """A character swapped by the pack's own character model, as in the workflow character_swap."""
    swap, options = swap_of(20, 502), SimpleNamespace(sampling_steps=20, cfg=1.0)
    on_white = torch.ones_like(swap.reference[0]).lerp(swap.reference[0], swap.mask[0, ..., None])
    swap.reference = torch.cat((swap.reference, swap.mask[..., None]), -1)
    model = open_video_model(str(ROOT / "weights/diffusion_models/duet_character_128.safetensors"))[0]
    with torch.inference_mode():
        made = bench.swap_character(model, own_vae(), swap, "fitted", True, options)
    given = [("character", on_white), ("body", swap.motions["fitted"][k]), ("scene", swap.scene[k])]
    sheet("DuetEncodeSwap", [[*given, ("sampled clip", made[k])]])


def joint_pictures(k: int = 9) -> None:
    """A character swapped together with its depth, by the pack's own weights; all frames of the clip in one go."""
    swap, pair = swap_of(20, 502), joint.open_pair()
    vae = own_vae()
    with torch.inference_mode():
        poses, body = joint.draw_pose(joint.fit_pose(swap.source.keypoints, swap.character))
        video, heat = joint.generate_character(pair, vae, swap, poses)
        images, near = joint.composite_character(swap, video, heat, body)
        depth = HeatMapToDepth.execute(heat, "hot").result[0]
        matched, report = MatchDepth.execute(depth, swap.far).result
        nearer = MaskByDepth.execute(matched, swap.far, 0.02, 1.5).result[0]
    print(report)
    reference = ("reference_depth", swap.far[k])
    sheet("DuetMatchDepth", [[("generated depth", depth[k]), reference, ("matched depth", matched[k])]])
    sheet("DuetMaskByDepth", [[("depth", matched[k]), reference, ("mask", nearer[k])]])


def box_of(crop: dict) -> list[int]:
    """Left, top, right and bottom of the box of frame K."""
    return [int(v) for v in crop["clips"][0]["boxes"][K]]


def main() -> None:
    scene, clip, depth = stage(7)
    _, other, other_depth = stage(20, 2, "wave")
    layer_pictures(clip, depth, other, other_depth)
    motion_mask_pictures()
    people_pictures()
    crop_pictures(other)
    motion_pictures(scene, clip, depth)
    joint_pictures()
    swap_pictures()


if __name__ == "__main__":
    main()
