"""What happens to painted pictures on their way through a model: noise, blur, and the loss of an encoder of 8 x 8 pixels."""

import torch
from torch.nn.functional import conv2d, interpolate, pad


def noise(images: torch.Tensor, steps: float = 6.0) -> torch.Tensor:
    """(N, H, W, 3) with noise of so many steps of 255."""
    drawn = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return (images + drawn * steps / 255).clamp(0, 1)


def blur(images: torch.Tensor, pixels: float = 1.0) -> torch.Tensor:
    """(N, H, W, 3) blurred by a Gaussian."""
    reach = int(4 * pixels + 0.5)
    kernel = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * pixels**2))
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    planes = pad(images.movedim(-1, 1).reshape(-1, 1, *images.shape[1:3]), 4 * [reach], mode="replicate")
    planes = conv2d(conv2d(planes, kernel), kernel.transpose(2, 3))
    return planes.view(len(images), 3, *images.shape[1:3]).movedim(1, -1)


def encoded(images: torch.Tensor, factor: int = 8) -> torch.Tensor:
    """(N, H, W, 3) with one colour left for each 8 x 8 pixels, drawn large again by curves."""
    planes = images.movedim(-1, 1)
    small = interpolate(planes, scale_factor=1 / factor, mode="area")
    return interpolate(small, size=planes.shape[-2:], mode="bicubic").clamp(0, 1).movedim(1, -1)


WAYS = {"clean": lambda images: images, "noise": noise, "blur": blur, "encoded": encoded}
