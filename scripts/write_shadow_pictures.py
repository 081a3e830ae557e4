"""Writes the pictures of the pages on shadows from the output of the nodes.

python3 scripts/host.py exec python scripts/write_shadow_pictures.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0:0] = [str(ROOT / "benchmarks"), str(ROOT / "scripts")]
import _host  # noqa: E402, F401
import torch  # noqa: E402
from pack.models.choices import DEPTH_TYPES  # noqa: E402
from pack.models.stage import render, sample_scene  # noqa: E402
from pack.models.stage.nuisance import Nuisances, add_nuisances  # noqa: E402
from pack.nodes.layers.composite import CompositeLayers  # noqa: E402
from pack.nodes.layers.decompose import DecomposeLayers  # noqa: E402
from pack.nodes.layers.scene import FillScene  # noqa: E402
from pack.nodes.layers.shadow import CastShadow, ShadowOfPerson  # noqa: E402
from write_pictures import sheet  # noqa: E402

SIZE, FRAMES, K = 256, 12, 6


def composite(layers, **changes) -> torch.Tensor:
    options = {"remove_person": False, "remove_occluders": False, "insert_position": "by depth", "feather": 0.0}
    return CompositeLayers.execute(layers, **options | changes).result[0][K]


def filled(layers, scene) -> dict:
    return FillScene.execute(layers, True, 4, inpainted_scene=scene).result[0]


def main() -> None:
    scene = sample_scene(
        19, frames=FRAMES, height=SIZE, width=SIZE, frame_rate=8.0, action="walk", objects=0, style="clay"
    )
    clip, other = render(scene), render(scene.with_character(502))
    images = add_nuisances(clip.rgb, Nuisances(shadow=0.5, noise=0.01), 19, clip.person_mask, clip.scene_mask)
    given = (images, clip.person_mask, DEPTH_TYPES[0], "object masks", 0.4, 0.15, 0.25)
    layers, room = DecomposeLayers.execute(*given).result[0], clip.scene_images[:1]
    both, shadow, *_, report = ShadowOfPerson.execute(layers, 0.5, 2.0, 3, scene=room).result
    print(report)
    removed = [composite(filled(one, room), remove_person=True) for one in (layers, both)]
    names = ("clip", "its shadow", "person removed", "shadow removed too")
    sheet("DuetShadowMatte", [list(zip(names, (images[K], shadow[K], *removed), strict=True))])
    light = {"original_shadow": shadow, "original_person_mask": clip.person_mask}
    cast, report = CastShadow.execute(other.person_mask, 30.0, 0.6, 0.5, 0.5, 0.03, **light).result
    print(report)
    character = {"character": other.rgb, "character_mask": other.person_mask}
    swaps = [composite(filled(both, room), **character, **more) for more in ({}, {"shadow": cast})]
    names = ("clip", "another person", "cast shadow", "with the shadow")
    sheet("DuetCastShadow", [list(zip(names, (images[K], swaps[0], cast[K], swaps[1]), strict=True))])


if __name__ == "__main__":
    main()
