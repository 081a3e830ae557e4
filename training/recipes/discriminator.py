"""A small discriminator of patches with the hinge loss: it makes a decoder draw detail in place of its blurred mean.

Letters: B pictures, H and W pixels.
"""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

WIDTHS = (32, 64, 64)  # each layer halves the picture, so that an answer is of 38 pixels


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        pairs = zip((3, *WIDTHS), WIDTHS, strict=False)
        layers = [(nn.Conv2d(i, o, 4, stride=2, padding=1), nn.LeakyReLU(0.2)) for i, o in pairs]
        self.layers = nn.Sequential(*(one for pair in layers for one in pair), nn.Conv2d(WIDTHS[-1], 1, 3, padding=1))

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) pictures in [0, 1] to one number for each patch, high where it looks true."""
        return self.layers(pictures * 2 - 1)

    def terms(self, pictures: Tensor, decoded: Tensor) -> dict[str, Tensor]:
        """The loss of the decoded pictures, which leaves the discriminator alone, and its own, which leaves them alone."""
        still = {name: value.detach() for name, value in self.named_parameters()}
        seen, true, false = functional_call(self, still, (decoded,)), self(pictures), self(decoded.detach())
        return {"adversarial": -seen.mean(), "discriminator": F.relu(1 - true).mean() + F.relu(1 + false).mean()}
