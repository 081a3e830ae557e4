"""The nodes of the pack, one folder a topic, listed explicitly.

The host reads these files at its start, so what a node works with is imported where it works, not on top of its file.
"""

from .host.seam import named_changes

with named_changes():
    from comfy_api.latest import ComfyExtension, io

    from . import (
        character,
        depth,
        evaluate,
        files,
        flow,
        geometry,
        handoff,
        layers,
        lfdm,
        oneshot,
        pair,
        pose,
        provenance,
        stage,
        swap,
        unet,
        video,
        view,
        wan,
    )
    from .host.files.folders import add_folder, add_own_folders, add_shipped
    from .inputs.numbers import finite_only
    from .inputs.video import reads_videos
    from .replaced import register_replaced

# In the order in which the node library shows their folders: first what works on any clip.
TOPICS = (
    *(depth, layers, swap, flow, pose, view, geometry, handoff, video),
    *(pair, character, lfdm, oneshot, unet, wan, files, evaluate, provenance, stage),
)


class DuetExtension(ComfyExtension):
    async def on_load(self) -> None:
        add_folder("animatediff_models")
        add_folder("flow_models")
        add_own_folders()
        add_shipped()
        await register_replaced()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [reads_videos(finite_only(node)) for topic in TOPICS for node in topic.NODES]
