"""The nodes of the pack, one file a topic, listed explicitly.

The host reads these files at its start, so what a node works with is imported where it works, not on top of its file.
"""

from comfy_api.latest import ComfyExtension, io

from . import (
    character,
    clip_score,
    conditioning,
    control,
    convert,
    crop,
    depth,
    depth_edit,
    depth_match,
    evaluate,
    flow,
    flow_files,
    flow_loaders,
    flow_model,
    flow_move,
    inversion,
    joint,
    latent,
    layers,
    loaders,
    lora,
    motion,
    motion_code,
    oneshot,
    pose,
    sampling,
    scene,
    stage,
)
from .host.folders import add_folder, add_shipped


class DuetExtension(ComfyExtension):
    async def on_load(self) -> None:
        add_folder("animatediff_models")
        add_folder("flow_models")
        add_shipped()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        topics = (
            stage,
            latent,
            depth,
            depth_edit,
            depth_match,
            pose,
            loaders,
            motion,
            lora,
            convert,
            control,
            conditioning,
            sampling,
            joint,
            inversion,
            oneshot,
            clip_score,
            evaluate,
            flow_loaders,
            flow_model,
            flow,
            flow_move,
            flow_files,
            character,
            layers,
            scene,
            crop,
            motion_code,
        )
        return [node for topic in topics for node in topic.NODES]
