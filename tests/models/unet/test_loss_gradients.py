"""Where the gradients of the losses on captured layers go in a real network, alone and in distributed training."""

import pytest
import torch
import torch.distributed as dist
from pack.models.unet import losses
from pack.models.unet.attention.capture import capture
from pack.models.unet.config import IDOL, TINY
from pack.models.unet.network import VideoUNet
from pack.models.unet.switches import with_switches
from torch import nn
from torch.nn.parallel import DistributedDataParallel

torch.set_num_threads(1)
PAIR = with_switches(IDOL, foreground_width=0, background="none", **TINY)


def fill(net, seed=0, std=0.05):
    """Every tensor random and none zero, so that no adapter is silent."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in net.named_parameters():
            p.copy_(torch.randn(p.shape, generator=g) * std + (1.0 if "norm" in name and "weight" in name else 0.0))
    return net


def inputs(batch=4, size=8, seed=1):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, 4, size, size, generator=g)
    return x, torch.tensor([417.0]), torch.randn(batch, 7, 768, generator=g)


def reached(loss, net):
    net.zero_grad()
    loss.backward()
    return {name for name, p in net.named_parameters() if p.grad is not None and p.grad.any()}


def terms_of(net, batch=8):
    with capture(net) as layers:
        x, t, context = inputs(batch)
        answer = net(x, t, context)
    noise = inputs(batch, seed=2)[0]
    terms = losses.denoising(answer, noise, net.layout)
    return {**terms, **losses.consistency(layers, net.layout)}


LAST = "up_blocks.1.attentions.1.transformer_blocks.0"


@pytest.mark.parametrize(
    ("term", "learns", "does_not"),
    [
        (
            "motion",
            ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0"),
            ("attn2.to_q", "tem_attn.to_q", "ff.net.2"),
        ),  # fmt: skip
        (
            "maps",
            ("attn1.to_v", "tem_attn.to_v", "attn2.to_q", "attn2.to_k"),
            ("attn2.to_v", "attn2.to_out.0", "ff.net.2"),
        ),  # fmt: skip
        ("video", ("attn1.to_q", "tem_attn.to_q", "attn2.to_q", "attn2.to_v", "ff.net.2"), ()),
        ("depth", ("attn1.to_q", "tem_attn.to_q", "attn2.to_q", "attn2.to_v", "ff.net.2"), ()),
    ],
)
def test_each_term_reaches_what_comes_before_it_in_the_last_layer(term, learns, does_not):
    net = fill(VideoUNet(PAIR))
    found = reached(terms_of(net)[term], net)
    assert {f"{LAST}.{name}.weight" for name in learns} <= found
    assert not {f"{LAST}.{name}.weight" for name in does_not} & found
    assert ("conv_out.weight" in found) == (term in ("video", "depth"))
    early = {"class_embedding.weight", "conv_in.weight", "down_blocks.0.resnets.0.tem_conv.weight"}
    first = LAST.replace("attentions.1", "attentions.0")
    early |= {f"{first}.{part}.weight" for part in ("attn1.to_q", "tem_attn.to_out.0", "attn2.to_v", "attn2.to_q")}
    early |= {"mid_block.cross_modal.attn.to_q.weight", "down_blocks.0.cross_modal.attn.to_out.0.weight"}
    assert early <= found


def test_what_is_frozen_receives_nothing():
    """Frozen ResBlocks, as in the paper's first stage; what lies before them still learns."""
    net = fill(VideoUNet(PAIR))
    for name, p in net.named_parameters():
        p.requires_grad_("resnets" not in name)
    terms = terms_of(net)
    found = reached(sum(terms.values()), net)
    assert all(p.grad is None for name, p in net.named_parameters() if "resnets" in name)
    assert found == {name for name, p in net.named_parameters() if p.requires_grad}


def test_a_pair_that_is_alike_costs_nothing_and_descending_brings_it_closer():
    net = fill(VideoUNet(with_switches(PAIR, label=False)))
    half = [part[:2] for part in inputs(4) if part.ndim > 1]
    x, context = (torch.cat((part, part)) for part in half)
    with capture(net) as layers:
        net(x, torch.tensor([417.0]), context)
    # Cross-modal attention sums two equal halves in two orders, so the last digit may differ.
    assert all(value.item() < 1e-9 for value in losses.consistency(layers, net.layout).values())
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    course = []
    for _ in range(5):
        terms = terms_of(net)
        loss = terms["motion"] + terms["maps"]
        course.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert course[-1] < 0.7 * course[0]


class Step(nn.Module):
    """A training step as a recipe has it: capture inside the forward pass that DistributedDataParallel wraps."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self):
        terms = terms_of(self.net)
        return sum(terms.values())


def test_it_works_inside_distributed_training(tmp_path):
    net = fill(VideoUNet(PAIR))
    reached(Step(net)(), net)
    alone = [p.grad.clone() for p in net.parameters()]
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        step = DistributedDataParallel(Step(net))
        for _ in range(2):  # the second pass would refuse a parameter that the first had missed
            reached(step(), net)
    finally:
        dist.destroy_process_group()
    assert all(torch.allclose(a, p.grad, atol=1e-6) for a, p in zip(alone, net.parameters(), strict=True))
