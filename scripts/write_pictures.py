"""Writes the pictures of the help pages from the output of the nodes.

python3 scripts/host.py exec python scripts/write_pictures.py
"""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
spec = importlib.util.spec_from_file_location("pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["pack"])

import cv2  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from pack.models.choices import DEPTH_BLENDS, EDGE_COLOURS, POSE_FORMATS, WIPE_DIRECTIONS  # noqa: E402
from pack.models.depth import colormap, edit  # noqa: E402
from pack.models.depth.range import normalize_clip  # noqa: E402
from pack.models.depth.steady.apply import Steadied  # noqa: E402
from pack.models.depth.steady.clip import plan  # noqa: E402
from pack.models.evaluate import features, metrics  # noqa: E402
from pack.models.flow import estimate as flow_estimate  # noqa: E402
from pack.models.flow.between import ClipMotion  # noqa: E402
from pack.models.geometry.surface import surface  # noqa: E402
from pack.models.oneshot import depth_channel  # noqa: E402
from pack.models.oneshot.flow_edit import flow_edit  # noqa: E402
from pack.models.pair import foreground  # noqa: E402
from pack.models.pose import drawing, formats  # noqa: E402
from pack.models.pose.filter import Settings, filter_clip  # noqa: E402
from pack.models.stage import render, sample_scene  # noqa: E402
from pack.models.video import compare  # noqa: E402
from pack.models.view.camera import look_at  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402

SIDE = 160
INK, PAPER = (40, 40, 44), (250, 249, 246)
VIDEO, DEPTH, FLOW = (85, 143, 214), (214, 143, 66), (90, 160, 100)


def tile(picture: torch.Tensor) -> Image.Image:
    """(H, W, 3) or (H, W) in [0, 1] to a square tile."""
    if picture.ndim == 2:
        picture = picture[..., None].expand(*picture.shape, 3)
    image = Image.fromarray((picture.clamp(0, 1) * 255).round().byte().numpy())
    return image.resize((SIDE, SIDE), Image.LANCZOS)


def sheet(name: str, rows: list[list[tuple[str, torch.Tensor | None]]]) -> None:
    """Rows of labelled tiles as web/docs/<name>.png."""
    path = ROOT / "web" / "docs" / f"{name}.png"
    tiles(rows).quantize(192, dither=Image.Dither.NONE).save(path, optimize=True)


def bars(name: str, rows: list[tuple[str, list[tuple[str, tuple]], str]]) -> None:
    """Rows of a name, of boxes that stand for latents, and of a remark as web/docs/<name>.png."""
    font, side = ImageFont.load_default(14), 26
    canvas = Image.new("RGB", (780, 14 + len(rows) * 48), PAPER)
    draw = ImageDraw.Draw(canvas)
    for row, (text, boxes, remark) in enumerate(rows):
        y = 14 + row * 48
        draw.text((14, y + 5), text, INK, font)
        for column, (letter, colour) in enumerate(boxes):
            x = 160 + column * (side + 2)
            draw.rectangle((x, y, x + side, y + side), colour)
            draw.text((x + side / 2, y + side / 2), letter, PAPER, font, anchor="mm")
        draw.text((520, y + 5), remark, INK, font)
    canvas.quantize(64, dither=Image.Dither.NONE).save(ROOT / "web" / "docs" / f"{name}.png", optimize=True)


def tiles(rows: list[list[tuple[str, torch.Tensor | None]]]) -> Image.Image:
    """Rows of labelled tiles."""
    font = ImageFont.load_default(13)
    gap, label = 8, 20
    width = gap + max(len(row) for row in rows) * (SIDE + gap)
    canvas = Image.new("RGB", (width, gap + len(rows) * (SIDE + label + gap)), PAPER)
    draw = ImageDraw.Draw(canvas)
    for y, row in enumerate(rows):
        for x, (text, picture) in enumerate(row):
            corner = (gap + x * (SIDE + gap), gap + y * (SIDE + label + gap))
            draw.text(corner, text, INK, font)
            if picture is not None:
                canvas.paste(tile(picture), (corner[0], corner[1] + label))
    return canvas


def stage_pictures(scene, clip, picture) -> None:
    k = 9
    other = lambda changed: render(changed).rgb[k]
    sheet(
        "DuetRenderTestVideo",
        [
            [(f"frame {i}", clip.rgb[i]) for i in (0, k, 14, 20)],
            [
                ("another character", other(scene.with_character(5))),
                ("camera orbit", other(replace(scene, camera="orbit"))),
                ("style sunset", other(scene.in_style("sunset"))),
                ("style clay", other(scene.in_style("clay"))),
            ],
        ],
    )
    masks = torch.stack((clip.person_mask[k], clip.occluder_mask[k], 0.5 * clip.scene_mask[k]), -1)
    sheet(
        "DuetTestVideoTruth",
        [
            [("the clip", clip.rgb[k]), ("depth", picture[k]), ("pose", clip.pose[k]), ("body", clip.body[k])],
            [
                ("three masks", masks),
                ("scene", clip.scene_images[k]),
                ("person", clip.person_images[k]),
                ("character", clip.character[0]),
            ],
        ],
    )


def pair_pictures(clip, picture) -> None:
    frames = (0, 6, 12, 18)
    video = [(f"video {i}", clip.rgb[k]) for i, k in enumerate(frames)]
    far = [(f"depth {i}", picture[k]) for i, k in enumerate(frames)]
    both, one = [("V", VIDEO)] * 6 + [("D", DEPTH)] * 6, [("V", VIDEO)] * 6
    rows = [
        ("video and depth", both, "6 frames: a batch of 12"),
        ("one kind of picture", one, "6 frames: a batch of 6"),
    ]
    bars("DuetEmptyLatent", [*rows, ("flow", [("F", FLOW)] * 6, "6 frames in one entry of the batch")])
    choices = [("video and depth", both, "12 latents for 6 frames"), ("video only", one, "6 latents for 6 frames")]
    bars("DuetSelectModality", [*choices, ("depth only", both[6:], "6 latents for 6 frames")])
    sheet("DuetJoinPair", [video[:3], far[:3], [*video[:3], *far[:3]]])
    sheet("DuetSplitPair", [[*video[:3], *far[:3]], video[:3], far[:3]])


def depth_pictures(clip, picture) -> None:
    frames = (2, 9, 13, 20)
    alone = [normalize_clip(clip.depth[k : k + 1], depth_type="distance", depth_scale="inverse")[0][0] for k in frames]
    sheet(
        "DuetNormalizeDepth",
        [
            [(f"each frame alone: {k}", d) for k, d in zip(frames, alone, strict=True)],
            [(f"whole clip: {k}", picture[k]) for k in frames],
        ],
    )
    one = picture[9:10]
    sheet(
        "DuetRemapDepth",
        [
            [
                ("depth", one[0]),
                ("gamma 2", edit.remap(one, gamma=2.0)[0]),
                ("0.1 to 0.6", edit.remap(one, 0.1, 0.6)[0]),
                ("invert", edit.remap(one, invert=True)[0]),
            ]
        ],
    )
    maps = [(name, colormap.encode(one[0], name)) for name in colormap.COLOUR_MAPS]
    sheet("DuetDepthToHeatMap", [maps[:4], maps[4:8], maps[8:]])
    hot, turbo = colormap.encode(one[0], "hot"), colormap.encode(one[0], "turbo")
    sheet(
        "DuetHeatMapToDepth",
        [
            [
                ("hot", hot),
                ("depth", colormap.decode(hot, "hot")),
                ("turbo", turbo),
                ("depth", colormap.decode(turbo, "turbo")),
            ]
        ],
    )


def steady_pictures(clip) -> None:
    """Inverse depth with another scale and shift in each frame, and what Steady Depth makes of it."""
    draw, near = torch.Generator().manual_seed(3), 1 / clip.depth
    rand = lambda: torch.rand(len(near), 1, 1, generator=draw)
    came = (0.6 + 0.8 * rand()) * near + 0.1 * rand() - 0.05
    found = plan(came.__getitem__, len(came), ClipMotion(clip.rgb), clip.camera.focal)
    steady = Steadied(came.__getitem__, found, ClipMotion(clip.rgb), radius=2)
    frames = (8, 9, 10, 11)
    grey = lambda planes: normalize_clip(torch.stack([planes[k] for k in frames]))[0]
    sheet(
        "DuetSteadyDepth",
        [
            [(f"frame {k}", clip.rgb[k]) for k in frames],
            [("depth as it came", d) for d in grey(came)],
            [("steady depth", d) for d in grey(steady)],
        ],
    )


def edit_pictures(clip, picture) -> None:
    k = slice(12, 13)
    one, mask, far = picture[k], clip.occluder_mask[k], torch.tensor([0.15])
    moved, changed = edit.move_object(one, mask, far)
    steps = [(f"to {grey:g}", edit.move_object(one, mask, torch.tensor([grey]))[0][0]) for grey in (0.8, 0.6, 0.4)]
    card = edit.move_object(one, mask, torch.tensor([0.6]), relief=0.0, feather=24.0)[0]
    sheet(
        "DuetMoveObjectInDepth",
        [
            [
                ("video", clip.rgb[12]),
                ("depth", one[0]),
                ("moved behind", moved[0]),
                ("changed_mask", changed[0].float()),
            ],
            [*steps, ("relief 0, feather 24", card[0])],
        ],
    )
    other = picture[22:23]
    blends = [(mode, edit.blend(one, other, 0.5 if mode == "mix" else 1.0, mode)[0]) for mode in DEPTH_BLENDS]
    sheet("DuetBlendDepth", [[("depth", one[0]), ("other_depth", other[0])], blends])


def pose_pictures(clip) -> None:
    frames = (0, 6, 12, 18)
    over = [(f"frame {k}", torch.maximum(clip.rgb[k] * 0.55, clip.pose[k])) for k in frames]
    sheet("DuetDrawPose", [over, [("pose", clip.pose[k]) for k in frames]])
    height, width = clip.rgb.shape[1:3]
    drawn = [
        (name, drawing.draw(formats.convert(clip.keypoints[9:10], name), height, width)[0]) for name in POSE_FORMATS
    ]
    sheet("DuetConvertPose", [drawn])


def keypoint_pictures(scene) -> None:
    """A pose as a detector finds it, the files it is stored in, and the path of a wrist before and after cleaning."""
    clip = render(replace(scene, frames=48, frame_rate=24.0))
    exact = clip.scene.view().project(clip.joints)
    r = np.random.default_rng(5)
    shaken = exact + torch.from_numpy(r.normal(0, 3.0, exact.shape)).float()
    shaken[20:22, 4] += torch.tensor([70.0, -50.0])
    scores = torch.full(exact.shape[:2], 0.9)
    scores[30:34, 4] = 0.0
    height, width = clip.rgb.shape[1:3]
    found = formats.from_joints(shaken, scores, height, width)
    cleaned = filter_clip(found, Settings()).keypoints
    over = lambda keypoints, k: torch.maximum(clip.rgb[k] * 0.45, drawing.draw(keypoints[k : k + 1], height, width)[0])
    paths = [path_of(exact[:, 4], scores[:, 4] >= 0), path_of(shaken[:, 4], scores[:, 4] > 0)]
    paths.append(path_of(*(part[:, 4] for part in formats.joints(cleaned))))
    names = ("wrist, exact", "as detected", "cleaned")
    rows = [[(name, path) for name, path in zip(names, paths, strict=True)]]
    sheet(
        "DuetFilterKeypoints",
        [*rows, [("frame 20", clip.rgb[20]), ("as detected", over(found, 20)), ("cleaned", over(cleaned, 20))]],
    )
    lines = ['[{"people": [{', '  "pose_keypoints_2d":', f"  [{shaken[0, 0, 0]:.1f}, {shaken[0, 0, 1]:.1f}, 0.9, ..."]
    one, many = text_tile(["clip_00001_.json", "", *lines]), text_tile([f"clip_{i:012}" for i in range(5)] + ["..."])
    pose = ("keypoints", over(found, 6))
    sheet("DuetSaveKeypoints", [[pose, ("one file", one), ("or one for each frame", many)]])
    sheet("DuetLoadKeypoints", [[("one file", one), ("or one for each frame", many), pose]])


def path_of(points: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
    """(320, 320, 3) the way of a point over time: x of (N, 2) from left to right, y from top to bottom."""
    image = Image.new("RGB", (320, 320), PAPER)
    draw, last = ImageDraw.Draw(image), None
    for point, there in zip(points.tolist(), found.tolist(), strict=True):
        if there and last is not None:
            draw.line((*last, *point), VIDEO, 3)
        last = tuple(point) if there else None
    return torch.from_numpy(np.asarray(image).copy()).float() / 255


def text_tile(lines: list[str]) -> torch.Tensor:
    """(320, 320, 3) lines of a file or of a folder."""
    image = Image.new("RGB", (320, 320), PAPER)
    for row, line in enumerate(lines):
        ImageDraw.Draw(image).text((14, 30 + 40 * row), line, INK, ImageFont.load_default(24))
    return torch.from_numpy(np.asarray(image).copy()).float() / 255


def conditioning_pictures(clip) -> None:
    k = 4
    frame, mask = clip.rgb[k : k + 1], clip.person_mask[k : k + 1]
    alone = foreground.person_alone(frame, mask)[0]
    sheet("DuetEncodePairCharacter", [[("character", frame[0]), ("character_mask", mask[0]), ("encoded", alone)]])
    scene = foreground.scene_alone(frame, mask)[0]
    sheet("DuetEncodePairScene", [[("scene", frame[0]), ("person_mask", mask[0]), ("encoded", scene)]])


def sampling_pictures(clip, picture) -> None:
    video, far, noise = clip.rgb[9], picture[9], torch.rand(320, 320, 3, generator=torch.Generator().manual_seed(0))
    tasks = [("all", noise, noise), ("depth from video", video, noise), ("video from depth", noise, far)]
    sheet("DuetSampleLatent", [[(f"{name}: the video", a), ("and the depth at first", b)] for name, a, b in tasks])
    frames = (0, 6, 12, 18)
    sheet("DuetLoadPoseControlNet", [[(f"pose {k}", clip.pose[k]) for k in frames]])
    sheet("DuetLoadMotionModule", [[(f"frame {k} of one clip", clip.rgb[k]) for k in frames]])
    blank = torch.full((8, 8), 0.86)
    sheet("DuetSaveVideoModel", [[(name, blank) for name in ("model", "+ motion", "+ LoRAs", "= one file")]])
    forms = ("lora_unet_... (kohya)", "diffusion_model. ...", "unet. ... (diffusers)", "base_model. ... (PEFT)")
    sheet("DuetLoadVideoLora", [[(name, grid(k)) for k, name in enumerate(forms)]])
    old = [(name, grid(k)) for k, name in enumerate((".ckpt, .pth, .pt, .bin", "numbers only"))]
    sheet("DuetConvertCheckpoint", [[*old, ("= .safetensors", grid(1))]])


def evaluation_pictures(clip, picture) -> None:
    """Real errors of a copy with noise, a flickering copy and a blurred depth."""
    few, k = slice(8, 11), 1
    video, far, everywhere = clip.rgb[few], picture[few], torch.ones(3, *picture.shape[1:], dtype=torch.bool)
    noise = torch.randn(video.shape, generator=torch.Generator().manual_seed(0)) * 0.06
    noisy, flickering = (video + noise).clamp(0, 1), video * torch.tensor([1.0, 0.75, 1.0])[:, None, None, None]
    difference = metrics.draw_error((noisy - video).abs(), everywhere, 4.0)
    sheet("DuetCompareVideos", [[("reference", video[k]), ("images", noisy[k]), ("error", difference[k])]])
    steady, shaking = (
        metrics.draw_error(*flow_estimate.warp_errors(images, video), 4.0) for images in (video, flickering)
    )
    rows = [[("frame 1", video[0]), ("frame 2", video[1]), ("error", steady[0])]]
    rows += [[("frame 1", flickering[0]), ("frame 2", flickering[1]), ("error", shaking[0])]]
    sheet("DuetMeasureFlicker", rows)
    blurred = torch.nn.functional.avg_pool2d(far[:, None], 17, 1, 8, count_include_pad=False)[:, 0]
    off = metrics.draw_error((blurred - far).abs(), everywhere, 4.0)
    masked = metrics.draw_error((blurred - far).abs(), clip.person_mask[few] > 0.5, 4.0)
    depths = [("reference", far[k]), ("depth", blurred[k]), ("error", off[k]), ("with a mask", masked[k])]
    sheet("DuetCompareDepth", [depths])
    alike = [("frame 0", clip.rgb[0]), ("frame 6", clip.rgb[6]), ("not alike", 1 - clip.rgb[12].flip(0))]
    sheet("DuetMeasureConsistency", [alike])
    sheet("DuetMeasureTextAlignment", [[("frame 6", clip.rgb[6]), ("text", lines()), ("vectors of both", grid(6))]])
    sheet("DuetFrechetDistance", sets_of_clips())


def sets_of_clips() -> list[list[tuple[str, torch.Tensor]]]:
    """Real clips, others of the same kind and the same clip over and over, with their measured distances."""
    of = lambda seed: render(sample_scene(seed, frames=4, height=96, width=96, objects=0)).rgb
    real, other = [of(seed) for seed in range(40, 60)], [of(seed) for seed in range(60, 80)]
    g = torch.Generator().manual_seed(0)
    alike = [(other[0] + 0.02 * torch.randn(other[0].shape, generator=g)).clamp(0, 1) for _ in other]
    apart = lambda clips: metrics.frechet(features.random_features(clips), features.random_features(real))
    row = lambda name, clips: [(name if k == 0 else "", one[0]) for k, one in enumerate(clips[:4])]
    return [
        row("real clips", real),
        row(f"distance {apart(other):.0f}", other),
        row(f"distance {apart(alike):.0f}", alike),
    ]


def one_shot_pictures(scene, clip, picture) -> None:
    channel = depth_channel.depth_channel(picture[[9], None], (40, 40))[0, 0] / 2 + 0.5
    sheet("DuetEncodeDepth", [[("depth", picture[9]), ("depth channel", channel)]])
    noise = (
        torch.rand(40, 40, 3, generator=torch.Generator().manual_seed(1))
        .repeat_interleave(4, 0)
        .repeat_interleave(4, 1)
    )
    away = [("a clip", clip.rgb[9]), ("its noise", noise)]
    sheet("DuetInvertVideo", [[*away, ("the clip reproduced", clip.rgb[9])]])
    sheet("DuetDDIMInversionSampler", [away])
    sheet(
        "DuetLoadVideoTuning",
        [
            [
                ("tuned on", clip.rgb[9]),
                ("picture model", grid(2)),
                ("the same motion", render(scene.with_character(5)).rgb[9]),
            ]
        ],
    )


def from_the_side(shape, camera, picture: torch.Tensor, lines: bool = False) -> torch.Tensor:
    """A surface as a camera sees it that stands one and a half metres to the right."""
    aim = camera.position + camera.rotation[0, 2] * shape.depth.median()
    place = camera.position + camera.rotation[0, 0] * 1.5
    moved = replace(camera, position=place, rotation=look_at(place, aim))
    seen = moved.to_camera(shape.points[None])
    corners = moved.project(seen)[0][shape.triangles]
    colours = (picture.reshape(-1, 3)[shape.pixels][shape.triangles].mean(1).clamp(0, 1) * 255).round()
    canvas = np.full((camera.height, camera.width, 3), PAPER, np.uint8)
    for number in seen[0, :, 2][shape.triangles].mean(1).argsort(descending=True).tolist():
        place = (corners[number].numpy() * 16).round().astype(np.int32)
        if lines:
            cv2.polylines(canvas, [place], True, colours[number].tolist(), 1, cv2.LINE_AA, 4)
        else:
            cv2.fillConvexPoly(canvas, place, colours[number].tolist(), cv2.LINE_8, 4)
    return torch.from_numpy(canvas) / 255


def geometry_pictures(clip, picture) -> None:
    """A frame in space, cut where the depth jumps and not."""
    depth, camera, rgb = clip.depth[9], clip.camera.frames(slice(9, 10)), clip.rgb[9]
    side = lambda step, jump, lines=False: from_the_side(surface(depth, camera, step, jump), camera, rgb, lines)
    given = [("the clip", rgb), ("its depth", picture[9])]
    sheet("DuetSaveGeometry", [[*given, ("from the side", side(2, 0.05)), ("never cut", side(2, 1000.0))]])
    sheet("DuetDepthToMesh", [[*given, ("pixel_step 2", side(2, 0.05)), ("pixel_step 8", side(8, 0.05, True))]])


def wan_pictures(scene, clip, picture) -> None:
    """How a pair on Wan 2.2 lies in the network, what its second clip can be on the stage, and the way of FlowEdit."""
    video, second = ("V", VIDEO), ("S", DEPTH)
    rows = [
        ("the latent", [video, second], "two clips: video, second clip"),
        ("in the network", [video] * 6 + [second] * 6, "side by side in one wide picture"),
        ("their prompts", [video, second], "each clip reads its own"),
    ]
    bars("DuetLoadWanPair", rows)
    heat = colormap.encode(picture[9], "turbo")
    shows = [
        ("depth", heat),
        ("segmentation", clip.person_mask[9]),
        ("skeleton", clip.pose[9]),
        ("body surface", clip.body[9]),
    ]
    sheet("DuetEncodeWanPrompt", [[("the video", clip.rgb[9]), *shows]])
    other, seen = render(scene.with_character(5)).rgb[9], []
    knows = lambda shown: lambda x, sigma: shown[None]  # a model that knows one picture
    keep = lambda i, x, *_: seen.append((f"after step {i + 1}", x[0]))
    flow_edit(
        knows(clip.rgb[9]), knows(other), clip.rgb[9:10], torch.linspace(1, 0, 6),
        lambda i: torch.randn(1, *other.shape, generator=torch.Generator().manual_seed(i)), report=keep,
    )  # fmt: skip
    sheet("DuetFlowEdit", [[("the picture", clip.rgb[9]), seen[1], seen[2], ("the edit", seen[-1][1])]])


def video_pictures(clip, picture) -> None:
    """Which frames and which part of the audio a video gets, and a clip beside its depth."""
    numbers = [(str(i), VIDEO) for i in range(12)]
    rows = [
        ("original_video", numbers, "12 frames and their audio"),
        ("images", [(" ", PAPER)] * 3 + [(str(i), DEPTH) for i in range(3, 9)], "6 edited frames, first_frame 3"),
        ("audio", [(" ", PAPER)] * 3 + [(" ", FLOW)] * 6, "begins with frame 3, as long as 6"),
    ]
    bars("DuetFramesToVideo", rows)
    far = picture[..., None].expand(*picture.shape, 3)
    edged = lambda k: compare.draw_edges(clip.rgb[k], far[k], 0.04, EDGE_COLOURS["yellow"])
    wiped = lambda k: compare.wipe(clip.rgb[k], far[k], k / 23, WIPE_DIRECTIONS[0])
    above = [("images", clip.rgb[9]), ("other_images", far[9]), ("depth edges", edged(9)), ("frame 18", edged(18))]
    sheet("DuetComparePair", [above, [(f"wipe, frame {k}", wiped(k)) for k in (3, 9, 15, 21)]])


def lines() -> torch.Tensor:
    """Words as a picture: dark lines on paper."""
    page = torch.full((160, 160), 0.95)
    for y, length in ((30, 120), (55, 132), (80, 96), (105, 126), (130, 70)):
        page[y : y + 9, 14 : 14 + length] = 0.35
    return page


def grid(seed: int) -> torch.Tensor:
    """Weights as a picture: coarse squares of grey."""
    coarse = torch.rand(8, 8, generator=torch.Generator().manual_seed(seed)) * 0.6 + 0.3
    return coarse.repeat_interleave(20, 0).repeat_interleave(20, 1)


def main() -> None:
    scene = sample_scene(31, frames=24, height=320, width=320, action="dance", objects=2)
    clip = render(scene)
    picture = normalize_clip(clip.depth, depth_type="distance", depth_scale="inverse")[0]
    stage_pictures(scene, clip, picture)
    pair_pictures(clip, picture)
    depth_pictures(clip, picture)
    steady_pictures(clip)
    edit_pictures(clip, picture)
    pose_pictures(clip)
    keypoint_pictures(scene)
    conditioning_pictures(clip)
    sampling_pictures(clip, picture)
    evaluation_pictures(clip, picture)
    one_shot_pictures(scene, clip, picture)
    wan_pictures(scene, clip, picture)
    video_pictures(clip, picture)
    geometry_pictures(clip, picture)
    print(f"{len(list((ROOT / 'web' / 'docs').glob('*.png')))} pictures in web/docs")


if __name__ == "__main__":
    main()
