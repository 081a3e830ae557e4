"""Model patches of other architectures, each in the host's own class and as small as it can be."""

from functools import cache

import comfy.model_patcher
import comfy.ops
import torch
from torch import nn

from tiny.model import random_weights

OPS = comfy.ops.disable_weight_init


def patcher(network: nn.Module):
    cpu = torch.device("cpu")
    return comfy.model_patcher.CoreModelPatcher(random_weights(network), load_device=cpu, offload_device=cpu)


@cache
def qwen():
    from comfy_extras.nodes_model_patch import QwenImageBlockWiseControlNet

    return patcher(QwenImageBlockWiseControlNet(num_layers=1, dim=8, operations=OPS))


@cache
def z_image():
    from comfy.ldm.lumina.controlnet import ZImage_Control

    return patcher(ZImage_Control(dim=8, n_heads=1, n_kv_heads=1, multiple_of=8, n_control_layers=1, operations=OPS))


@cache
def uni3c():
    from comfy.ldm.wan.uni3c import WanUni3CControlnet

    narrow = {"conv_out_dim": 8, "dim": 8, "ffn_dim": 8, "num_heads": 1, "num_layers": 1, "time_embed_dim": 8}
    return patcher(WanUni3CControlnet(**narrow, out_proj_dim=8, mid_channels=8, operations=OPS))


@cache
def uso():
    from comfy_extras.nodes_model_patch import SigLIPMultiFeatProjModel

    narrow = {"siglip_token_nums": 17, "style_token_nums": 4, "siglip_token_dims": 1024, "hidden_size": 8}
    return patcher(SigLIPMultiFeatProjModel(**narrow, operations=OPS))


@cache
def lllite():
    from comfy.ldm.anima.lllite import AnimaLLLite, AnimaLLLiteConditioning, AnimaLLLiteModule

    reads = AnimaLLLiteConditioning(3, 16, 8, 1, (), operations=OPS).state_dict()
    state = {f"lllite_conditioning1.{name}": value for name, value in reads.items()}
    for name in ("self_attn_q_proj", "cross_attn_q_proj"):
        module = AnimaLLLiteModule(8, 8, 8, operations=OPS).state_dict()
        state |= {f"lllite_dit_blocks_0_{name}.{key}": value for key, value in module.items()}
    return patcher(AnimaLLLite(state, {}, operations=OPS))


@cache
def multitalk():
    from comfy_extras.nodes_model_patch import MultiTalkModelPatch

    return patcher(MultiTalkModelPatch(in_dim=16, intermediate_dim=8, out_dim=8, num_layers=1, operations=OPS))


class Fusion(nn.Module):
    """In the place of one of SUPIR's layers, which fit the widths of SDXL alone."""

    def forward(self, feature, *features, control_scale=1.0):
        return torch.cat(features[::-1], 1) * 1.1 if len(features) > 1 else features[0] * 1.1


class Supir(nn.Module):
    """SUPIR's two parts for a U-Net of three levels: features of a hint, and a layer for each place that uses one."""

    def __init__(self):
        super().__init__()
        self.project_modules = nn.ModuleList(Fusion() for _ in range(9))

    def control_model(self, hint, times, x, context, y):
        return [x] * 9


@cache
def supir():
    return patcher(Supir())


@cache
def ltx_upsampler():
    from comfy.ldm.lightricks.latent_upsampler import LatentUpsampler

    return patcher(LatentUpsampler(OPS, mid_channels=32, num_blocks_per_stage=1))


@cache
def hunyuan_upsampler():
    from comfy.ldm.hunyuan_video.upsampler import HunyuanVideo15SRModel

    shape = {"in_channels": 32, "out_channels": 32, "hidden_channels": 32, "num_blocks": 1, "global_residual": False}
    return HunyuanVideo15SRModel("720p", shape)
