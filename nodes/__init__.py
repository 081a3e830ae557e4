"""The nodes of the pack, one file a topic, listed explicitly."""

from comfy_api.latest import ComfyExtension, io

from . import depth, latent, pose, stage


class DuetExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [*stage.NODES, *latent.NODES, *depth.NODES, *pose.NODES]
