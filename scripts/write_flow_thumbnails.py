"""Writes the thumbnails of three workflows from what they really made with the pack's own flow weights.

Run workflows/api/{picture_to_motion,motion_transfer,two_objects_flow}.json first, then
python3 scripts/host.py exec python scripts/write_flow_thumbnails.py
"""

import av
import torch
from write_pictures import ROOT, tiles

MADE = ROOT / "output" / "duet"


def frames(name: str) -> torch.Tensor:
    """(F, H, W, 3) of the newest clip of that name."""
    file = sorted(MADE.glob(f"{name}_*_.mp4"))[-1]
    with av.open(str(file)) as clip:
        return torch.stack([torch.from_numpy(frame.to_ndarray(format="rgb24")) for frame in clip.decode(video=0)]) / 255


def save(name: str, rows: list) -> None:
    tiles(rows).save(ROOT / "workflows" / f"{name}.jpg", quality=88)


def main() -> None:
    made = frames("picture_to_motion")
    clip, flow = made[:, :, :64], made[:, :, -64:]
    save(
        "picture_to_motion", [[("the picture", clip[0]), ("wave", clip[3])], [("wave", clip[9]), ("its flow", flow[3])]]
    )
    made = frames("motion_transfer")
    driving, driven = made[:, :, :64], made[:, :, -64:]
    rows = [[("driving clip", driving[0]), ("another person", driven[0])]]
    save("motion_transfer", [*rows, [("driving clip", driving[6]), ("moved alike", driven[6])]])
    made = frames("two_objects")
    half = lambda index, row, column: made[index, 64 * row + 2 * row :, 64 * column :][:64, :64]
    rows = [
        [("wave", half(3, 0, 0)), ("squat", half(6, 0, 1))],
        [("its flow", half(3, 1, 0)), ("its flow", half(6, 1, 1))],
    ]
    save("two_objects_flow", rows)


if __name__ == "__main__":
    main()
