"""Grey PNG files of 16 bits, and the reading of any grey PNG.

Letters: H and W pixels.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..opencv import import_cv2

STEPS = 65535


def write_frame(file: BinaryIO, grey: np.ndarray, texts: dict[str, str]) -> None:
    """(H, W) in 0..1 as 16 bits, with texts as ComfyUI's own savers store the workflow."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    image = Image.fromarray((np.clip(grey, 0, 1).astype(np.float64) * STEPS).round().astype(np.uint16))
    image.save(file, "PNG", pnginfo=info, compress_level=4)


def read_head(path: Path) -> tuple[tuple[int, int], dict[str, str]]:
    """(H, W) and the texts, without reading a pixel."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            texts = {name: text for name, text in image.info.items() if isinstance(text, str)}
            return (image.height, image.width), texts
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise damaged(path) from error


def read_frame(path: Path) -> np.ndarray:
    """(H, W, 1, 3 or 4) in 0..1 of any PNG, red first."""
    cv2 = import_cv2()
    try:
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:  # an empty file, or more pixels than OpenCV takes
        raise damaged(path) from error
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        raise damaged(path)
    pixels = pixels.reshape(*pixels.shape[:2], -1).astype(np.float32) / np.iinfo(pixels.dtype).max
    return pixels if pixels.shape[-1] == 1 else pixels[..., [2, 1, 0, *range(3, pixels.shape[-1])]]


def damaged(path: Path) -> ValueError:
    return ValueError(f"{path.name} cannot be read as PNG: it is damaged or of another format. Save or copy it again.")
