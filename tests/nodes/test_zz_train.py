import sys, torch
from .tiny import *


def test_train():
    from comfy_extras.nodes_train import TrainLoraNode

    m = tiny_model()
    with torch.inference_mode():
        out = TrainLoraNode.execute(
            [m],
            [{"samples": noise((6, 4, 8, 8))}],
            [conditioning(1)],
            [1],
            [2],
            [1],
            [1e-3],
            [4],
            ["AdamW"],
            ["MSE"],
            [0],
            ["fp32"],
            ["fp32"],
            [False],
            ["LoRA"],
            [False],
            [1],
            [False],
            ["[None]"],
            [False],
            [False],
        )
        from comfy_extras.nodes_train import LoraModelLoader
    lora = out.result[0] if not isinstance(out.result[0], list) else out.result[0][0]
    print(len(lora), list(lora)[:2], out.result[1], file=sys.__stderr__)
