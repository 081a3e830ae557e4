"""Small clips of depth, and Save Depth and Load Depth with their usual settings."""

import torch
from pack.nodes.handoff.load import LoadDepth
from pack.nodes.handoff.save import SaveDepth

FRAMES, HEIGHT, WIDTH = 3, 10, 14
GREYS = {"near_depth": 2.0, "far_depth": 8.0, "depth_scale": "inverse"}


def noise(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def picture(planes):
    return planes[..., None].repeat(1, 1, 1, 3)


def distances(frames=FRAMES, height=HEIGHT, width=WIDTH):
    return 1.5 + 20 * noise(frames, height, width, seed=3)


def flow(frames=FRAMES):
    parts = {}
    for i, name in enumerate(("forward", "backward")):
        parts[name] = 9 * noise(frames - 1, HEIGHT, WIDTH, 2, seed=i) - 4
        parts[f"{name}_valid"] = noise(frames - 1, HEIGHT, WIDTH, seed=i + 9).round()
    return parts


def custom(depth_format="EXR float", depth_type="distance", units="metres", channel="Z", compression="ZIP"):
    return {
        "program": "custom", "depth_format": depth_format, "saved_depth_type": depth_type, "saved_units": units,
        "depth_channel": channel, "compression": compression,
    }  # fmt: skip


def save(depth, depth_type="distance", program=None, prefix="duet/depth", view=0.0, unknown="farthest", **beside):
    kind = {"depth_type": depth_type} | (GREYS if depth_type != "distance" else {})
    program = {"program": program} if isinstance(program, str) else program or custom()
    return SaveDepth.execute(depth, kind, view, prefix, program, 24.0, unknown, **beside)


NAMES = (
    "depth", "images", "flow", "object_masks", "valid_mask", "near_depth", "far_depth", "frame_rate", "field_of_view", "report",
)  # fmt: skip


def load(name, output="distance", depth_type="auto", start=0, count=0, channel="", **kind):
    answer = LoadDepth.execute(name, {"depth_type": depth_type} | kind, output, start, count, channel)
    return dict(zip(NAMES, answer.result, strict=True))


def in_out(folders, name):
    return folders / "out" / name.removesuffix(" [output]")
