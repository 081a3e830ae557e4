"""Layers as the parts of an EXR, read by OpenImageIO."""

import folder_paths
import numpy as np
import OpenImageIO as oiio
import pytest
import torch
from pack.models.srgb import to_linear
from pack.models.stage import render, sample_scene
from pack.nodes.handoff.layers import SaveLayers
from pack.nodes.layers.decompose import DecomposeLayers

FRAMES, SIDE = 3, 48


@pytest.fixture
def output(tmp_path):
    """The host's own output folder, elsewhere."""
    before = folder_paths.get_output_directory()
    folder_paths.set_output_directory(str(tmp_path))
    yield tmp_path
    folder_paths.set_output_directory(before)


def stage():
    return render(
        sample_scene(7, frames=FRAMES, height=SIDE, width=SIDE, frame_rate=8, action="walk", objects=1), samples=1
    )


def layers_of(clip, depth=True):
    geometry = {"depth": clip.depth} if depth else None
    inputs = {one.id: getattr(one, "default", None) for one in DecomposeLayers.GET_SCHEMA().inputs}
    inputs = {name: value for name, value in inputs.items() if value is not None}
    inputs |= {
        "images": clip.rgb,
        "person_mask": clip.person_mask,
        "object_masks": clip.occluder_mask,
        "depth": geometry,
    }
    return DecomposeLayers.execute(**inputs)[0]


def parts(path):
    """The parts of a file: name to channel to (H, W)."""
    source, found, part = oiio.ImageInput.open(str(path)), {}, 0
    while source.seek_subimage(part, 0):
        spec = source.spec()
        pixels = source.read_image(part, 0, 0, spec.nchannels, "float")
        name = spec.getattribute("oiio:subimagename")
        found[name] = {channel: pixels[..., i] for i, channel in enumerate(spec.channelnames)}
        part += 1
    source.close()
    return found


def test_the_layers_add_up_to_the_clip(output):
    clip = stage()
    name, report = SaveLayers.execute(layers_of(clip), "duet/layers", "EXR float", "ZIP", 8.0).result[:2]
    assert name == "duet/layers_00001_.0001.exr [output]" and "parts scene, person" in report
    for index in range(FRAMES):
        found = parts(output / "duet" / f"layers_00001_.{index + 1:04}.exr")
        assert list(found)[:4] == ["scene", "scene_depth", "person", "person_depth"]
        depth = {name: found.pop(name)["Z"] for name in list(found) if name.endswith("_depth")}
        assert len(depth) == len(found) and all(set(part) == set("RGBA") for part in found.values())
        alpha = sum(part["A"] for part in found.values())
        assert np.abs(alpha - 1).max() < 1e-5
        light = np.stack([sum(part[channel] for part in found.values()) for channel in "RGB"], -1)
        solid = np.max([part["A"] for part in found.values()], axis=0) > 1 - 1e-6
        assert solid.mean() > 0.9 and np.abs(light - to_linear(clip.rgb[index]).numpy())[solid].max() < 1e-5
        person = found["person"]
        seen = person["A"] > 0.999
        assert seen.any() and np.allclose(depth["person_depth"][seen], clip.depth[index].numpy()[seen], rtol=1e-5)
        assert not depth["person_depth"][person["A"] == 0].any()


def test_half_and_no_depth(output):
    clip = stage()
    layers = layers_of(clip, depth=False)
    report = SaveLayers.execute(layers, "duet/layers", "EXR half", "PIZ", 8.0)[1]
    found = parts(output / "duet" / "layers_00001_.0001.exr")
    assert "There is no depth" in report and set(found["person"]) == set("RGBA") and "person_depth" not in found
    assert np.abs(found["person"]["A"] - clip.person_mask[0].numpy()).max() < 1e-3


def test_other_things_are_refused(output):
    with pytest.raises(ValueError, match="layers: expected DUET_LAYERS"):
        SaveLayers.execute(torch.zeros(1), "duet/layers", "EXR half", "ZIP", 8.0)
    with pytest.raises(Exception, match="outside the output folder"):
        SaveLayers.execute(layers_of(stage()), "../x", "EXR half", "ZIP", 8.0)
    assert not list(output.rglob("*.exr"))
