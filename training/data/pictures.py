"""Pictures as their files hold them, brought to one size.

A raw picture is (H, W), (H, W, 3) or (H, W, 4) in RGB order, uint8 or uint16. Depth stays at the bits it came with.
"""

from pathlib import Path

import numpy as np
import torch

from ...models.depth.colormap import decode
from ...models.opencv import import_cv2
from ...models.pair import foreground

BRIGHTNESS = (0.299, 0.587, 0.114)  # JPEG keeps it sharp, unlike the colours
PLOTTED = (
    56  # between the zero of a plotted mask, (68, 0, 83) with a brightness of 30, and the lowest of four labels, 82
)
COLOURFUL = 8 / 255  # the mean spread of red, green and blue from which on a picture is no longer grey
GREY = round(255 * foreground.GREY)


def read_raw(file: Path) -> np.ndarray:
    """A picture file as it is stored."""
    try:
        return decode_raw(Path(file).read_bytes(), str(file))
    except OSError as error:
        raise ValueError(f"{file}: expected a picture, got {error.strerror or error}: write it again.") from error


def decode_raw(data: bytes, name: str) -> np.ndarray:
    """The bytes of a picture file as a raw picture."""
    cv2 = import_cv2()
    whole = data[:4] != b"\x89PNG" or b"IEND" in data[-16:]  # older OpenCV fills the rest of a cut file with black
    raw = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data and whole else None
    if raw is None or raw.dtype not in (np.uint8, np.uint16):
        what = "no picture" if whole else "a file that ends too early"
        raise ValueError(f"{name}: expected a PNG or JPEG picture of 8 or 16 bits, got {what}: write it again.")
    if raw.ndim == 3 and raw.shape[2] >= 3:
        raw = raw[..., [2, 1, 0, 3][: raw.shape[2]]]
    return np.ascontiguousarray(raw[..., 0] if raw.ndim == 3 and raw.shape[2] < 3 else raw)


def encode_png(picture: np.ndarray) -> bytes:
    """(H, W) or (H, W, 3) uint8 or uint16 as a PNG file."""
    cv2 = import_cv2()
    done, data = cv2.imencode(".png", picture if picture.ndim == 2 else np.ascontiguousarray(picture[..., ::-1]))
    if not done:
        raise ValueError(f"A picture of {picture.shape} {picture.dtype} could not be written as PNG: check its shape.")
    return data.tobytes()


def as_bytes(raw: np.ndarray) -> np.ndarray:
    return raw if raw.dtype == np.uint8 else (raw >> 8).astype(np.uint8)


def colour(raw: np.ndarray) -> np.ndarray:
    """A raw picture as (H, W, 3) uint8."""
    raw = as_bytes(raw)
    return np.repeat(raw[..., None], 3, 2) if raw.ndim == 2 else np.ascontiguousarray(raw[..., :3])


def is_colourful(raw: np.ndarray) -> bool:
    return raw.ndim == 3 and np.ptp(raw[..., :3], axis=2).mean() > COLOURFUL * np.iinfo(raw.dtype).max


def mask_of(raw: np.ndarray) -> np.ndarray:
    """A raw picture as an (H, W) uint8 mask; one in colours is a viridis plot, where all but its zero is person."""
    raw = as_bytes(raw)
    if not is_colourful(raw):
        return raw if raw.ndim == 2 else np.ascontiguousarray(raw[..., 0])
    return np.where(raw[..., :3] @ np.float32(BRIGHTNESS) > PLOTTED, 255, 0).astype(np.uint8)


def depth_of(raw: np.ndarray, colormap: str = "hot") -> np.ndarray:
    """A raw picture as (H, W) depth: grey at the bits it has, a heat map at 16."""
    if raw.ndim == 2:
        return raw
    if is_colourful(raw):
        share = torch.from_numpy(raw[..., :3].astype(np.float32) / np.iinfo(raw.dtype).max)
        return (decode(share, colormap) * 65535).round().numpy().astype(np.uint16)
    return raw[..., :3].mean(2).round().astype(raw.dtype)


def sixteen(depth: np.ndarray) -> np.ndarray:
    """Depth of 8 or 16 bits at 16."""
    return depth.astype(np.uint16) * np.uint16(257) if depth.dtype == np.uint8 else depth


def paint_grey(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The picture with grey wherever the person is."""
    return np.where(mask[..., None] > 127, np.uint8(GREY), picture)


def cut_out(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The person alone on grey, with the soft edge of the mask."""
    share = mask[..., None].astype(np.float32) / 255
    return (picture * share + GREY * (1 - share)).round().astype(np.uint8)


def centre(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The largest part in the middle that has the shape of `size`, (height, width)."""
    (height, width), (rows, columns) = size, picture.shape[:2]
    kept_rows = min(rows, max(1, round(columns * height / width)))
    kept_columns = min(columns, max(1, round(rows * width / height)))
    top, left = (rows - kept_rows) // 2, (columns - kept_columns) // 2
    return np.ascontiguousarray(picture[top : top + kept_rows, left : left + kept_columns])


def resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Means of areas when it gets smaller, straight lines between pixels when it gets larger."""
    cv2 = import_cv2()
    smaller = size[0] < picture.shape[0] or size[1] < picture.shape[1]
    return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def fit_picture(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) cropped in its middle and resized to (height, width)."""
    part = centre(picture, size)
    return part if part.shape[:2] == size else resized(part, size)


def fit_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) as fit_picture, each pixel from the nearest one."""
    cv2 = import_cv2()
    part = centre(mask, size)
    return part if part.shape == size else cv2.resize(part, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def fit_depth(depth: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) uint16 as fit_picture; 0 is unknown, takes no part in a mean, and stays where it has the majority."""
    part = centre(depth, size)
    if part.shape == size:
        return part
    share = resized((part > 0).astype(np.float32), size)
    mean = resized(part.astype(np.float32), size) / np.maximum(share, 1e-6)
    return np.where(share >= 0.5, mean.round().clip(1, 65535), 0).astype(np.uint16)
