"""Puts a node into a graph: what it gives takes the place of what the graph had."""

from dataclasses import replace

import torch
from comfy_api.latest._io import _ComfyNodeInternal

import nodes
from tiny.compatibility.calls import AFTER, given_to
from tiny.compatibility.families import FAMILIES
from tiny.compatibility.graph import Graph
from tiny.compatibility.parts import arguments
from tiny.compatibility.stock import kind_of, stock_nodes

WITH_LATENT = {"InpaintModelConditioning"}  # the latent of its pictures belongs to its conditioning


def call(node_id: str, graph: Graph) -> list[Graph]:
    """The graphs behind a node, one for each element of its lists: what it gives takes the place of what the graph had."""
    info, node = stock_nodes()[node_id], nodes.NODE_CLASS_MAPPINGS[node_id]
    given = given_to(node_id, graph)
    values = arguments(node_id, info, graph, given)
    if info.get("is_input_list"):
        values = {name: [value] for name, value in values.items()}
    out = node.execute(**values) if issubclass(node, _ComfyNodeInternal) else getattr(node(), node.FUNCTION)(**values)
    out = out.result if hasattr(out, "result") and not isinstance(out, dict) else out
    out = out.get("result", ()) if isinstance(out, dict) else out
    lists = info.get("output_is_list") or [False] * len(info["output"])
    length = max([len(value) for value, many in zip(out or (), lists, strict=False) if many], default=1)
    each = lambda i: [value[i % len(value)] if many else value for value, many in zip(out or (), lists, strict=False)]
    return [behind(graph, info, each(i)) for i in range(length)]


def behind(graph: Graph, info: dict, out: list) -> Graph:
    """The graph with the outputs of a node in it; conditioning comes as positive and negative."""
    kind, changes, conds = kind_of(info), {}, []
    for name, value in zip(map(str, info["output"]), out, strict=False):
        if name == "CONDITIONING":
            conds.append(value)
        elif name == "LATENT" and kind == "sampling":
            changes.setdefault("answer", value["samples"])
        elif name == "LATENT" and (kind == "latent" or info["name"] in WITH_LATENT):
            changes.setdefault("latent", with_equal_noise(value, graph))
        elif name == "CONTROL_NET":
            changes |= dict(zip(("positive", "negative"), apply(value, graph), strict=True))
        elif name in ("MODEL", "GUIDER", "SAMPLER", "SIGMAS"):
            changes[name.lower()] = value
    changes |= dict(zip(("positive", "negative"), conds, strict=False))
    return AFTER.get(info["name"], lambda graph: graph)(replace(graph, **changes))


def with_equal_noise(latent: dict, graph: Graph) -> dict:
    """Where all frames are equal their noise must be too, however many there are now."""
    equal = FAMILIES[graph.family].equal and torch.is_tensor(latent["samples"])
    return latent | ({"batch_index": [0] * len(latent["samples"])} if equal else {})


def apply(control, graph: Graph) -> tuple[list, list]:
    node = nodes.ControlNetApplyAdvanced()
    return node.apply_controlnet(graph.positive, graph.negative, control, graph.pictures, 1.0, 0.0, 1.0)
