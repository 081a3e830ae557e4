"""The nodes that ComfyUI brings along, sorted by what they take and give.

Nodes of partners (`api_node`) are left out: they send a request over the network and see no model of this machine. Nodes that
pass on any type unchanged, such as a switch, are not of a kind either.
"""

import asyncio
from functools import cache

KINDS = {
    "model": "Nodes that change a model",
    "sampling": "Samplers, guiders and schedulers",
    "conditioning": "Nodes that change conditioning",
    "controlnet": "ControlNet",
    "latent": "Nodes that change a latent",
}
SAMPLED_BY = {"GUIDER", "SAMPLER", "SIGMAS"}


@cache
def stock_nodes() -> dict[str, dict]:
    """What /object_info tells of every node of the host, found in this process without a server."""
    from comfy_api.latest._io import _ComfyNodeInternal

    import nodes

    asyncio.run(nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=True))
    found = {}
    for node_id, node in nodes.NODE_CLASS_MAPPINGS.items():
        v3 = issubclass(node, _ComfyNodeInternal)
        found[node_id] = node.GET_NODE_INFO_V1() if v3 else info_of_v1(node_id, node)
    return found


def info_of_v1(node_id: str, node) -> dict:
    """The part of /object_info that is read here, of a node in the host's old form."""
    import nodes

    return {
        "input": node.INPUT_TYPES(),
        "output": node.RETURN_TYPES,
        "name": node_id,
        "display_name": nodes.NODE_DISPLAY_NAME_MAPPINGS.get(node_id, node_id),
        "python_module": getattr(node, "RELATIVE_PYTHON_MODULE", "nodes"),
        "api_node": getattr(node, "API_NODE", False),
        "is_input_list": getattr(node, "INPUT_IS_LIST", False),
    }


def inputs_of(info: dict) -> dict[str, tuple[str | list, dict, bool]]:
    """Each input's type, or its list of choices, its options and whether it is required."""
    found = {}
    for section in ("required", "optional"):
        for name, (kind, *options) in info["input"].get(section, {}).items():
            options = options[0] if options else {}
            kind = options.get("options", []) if kind == "COMBO" else kind
            found[name] = (kind, options, section == "required")
    return found


def types_in(value) -> set[str]:
    """Every type that an input takes, also inside a list that grows."""
    kind, options, _ = value
    if kind != "COMFY_AUTOGROW_V3":
        return set(kind.split(",")) if isinstance(kind, str) else {"COMBO"}
    grown = options.get("template", {}).get("input", {})
    return {str(spec[0]) for section in grown.values() for spec in section.values()}


def kind_of(info: dict) -> str | None:
    """The one table that a node belongs to, or None."""
    if info.get("api_node"):
        return None
    given = {kind for kind in info["output"] if isinstance(kind, str)}
    taken = set().union(*map(types_in, inputs_of(info).values()), set())
    samples = taken & {"MODEL", "GUIDER"} and "LATENT" in taken & given
    if samples or ("MODEL" in taken and given & SAMPLED_BY):
        return "sampling"
    if "CONTROL_NET" in taken | given:
        return "controlnet"
    both = taken & given
    return next((kind for kind in ("model", "conditioning", "latent") if kind.upper() in both), None)


def listed(infos: dict[str, dict]) -> dict[str, str]:
    """The kind of every stock node that has one."""
    stock = {name: info for name, info in infos.items() if not str(info["python_module"]).startswith("custom_nodes")}
    kinds = {name: kind_of(info) for name, info in sorted(stock.items())}
    return {name: kind for name, kind in kinds.items() if kind}
