"""Renamed nodes: for each id that saved workflows may contain, the node that takes its place.

Ids are frozen since the golden list of tests/golden/nodes.json. A node that is renamed all the same gets an entry here, with
every input and output of the old node, and a workflow with the old id in tests/fixtures/replaced/.
"""

import sys

from comfy_api.latest import ComfyAPI, io

REPLACED = [
    io.NodeReplace(
        old_node_id="DuetLoadFlowCodec",
        new_node_id="DuetLoadFlowAutoencoder",
        old_widget_ids=["codec_name", "heat_map_padding"],
        input_mapping=[
            {"new_id": "autoencoder_name", "old_id": "codec_name"},
            {"new_id": "heat_map_padding", "set_value": "auto"},
        ],
        output_mapping=[{"new_idx": 0, "old_idx": 0}, {"new_idx": 1, "old_idx": 1}],
    ),
]


async def register_replaced() -> None:
    """Make the host replace old ids in prompts, and the page offer it for saved graphs."""
    server = sys.modules.get("server")
    if not hasattr(getattr(server, "PromptServer", None), "instance"):
        return  # scripts and tests read the nodes without a server
    for entry in REPLACED:
        await ComfyAPI().node_replacement.register(entry)
