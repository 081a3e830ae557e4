"""What the makers of cards state of them, in TFLOP a second, dense; a card that is not in the list has no MFU.

half is the matrix rate of fp16 and bf16 with sums in fp32, as PyTorch computes them, and single the rate of fp32 without TF32.
Names are those of torch.cuda.get_device_name().
"""

from typing import NamedTuple


class Peak(NamedTuple):
    half: float
    single: float
    source: str


HOPPER = "data sheet NVIDIA H100 and H200 Tensor Core GPU, half of the rate with sparsity"
AMPERE = "data sheet NVIDIA A100 Tensor Core GPU"
PEAKS = {
    "NVIDIA H200": Peak(989.4, 66.9, HOPPER),
    "NVIDIA H100 80GB HBM3": Peak(989.4, 66.9, HOPPER),
    "NVIDIA H100 PCIe": Peak(756.0, 51.0, HOPPER),
    "NVIDIA A100-SXM4-40GB": Peak(312.0, 19.5, AMPERE),
    "NVIDIA A100-SXM4-80GB": Peak(312.0, 19.5, AMPERE),
    "NVIDIA A100-PCIE-40GB": Peak(312.0, 19.5, AMPERE),
    "NVIDIA A100 80GB PCIe": Peak(312.0, 19.5, AMPERE),
    "NVIDIA L40S": Peak(362.0, 91.6, "data sheet NVIDIA L40S"),
    "NVIDIA L4": Peak(121.0, 30.3, "data sheet NVIDIA L4, half of the rate with sparsity"),
    "Tesla T4": Peak(65.0, 8.1, "data sheet NVIDIA T4"),
    "NVIDIA GeForce RTX 3090": Peak(71.0, 35.6, "white paper NVIDIA Ampere GA102"),
    "NVIDIA GeForce RTX 4090": Peak(165.2, 82.6, "white paper NVIDIA Ada"),
    "NVIDIA GeForce RTX 5090": Peak(209.5, 104.8, "white paper NVIDIA RTX Blackwell"),
}


def peak_of(name: str, dtype: str) -> float | None:
    """TFLOP a second of a card in "float16", "bfloat16" or "float32"; a laptop's card has another name and another rate."""
    peak = PEAKS.get(name)
    if peak is None:
        return None
    return peak.single if dtype == "float32" else peak.half
