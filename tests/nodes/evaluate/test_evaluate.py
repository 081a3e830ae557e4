"""The evaluation nodes: numbers that can be worked out, both halves of CLIP in the host's own loaders, refusals."""

import gc
import json
import math
import os
import re
import shutil
import weakref

import comfy.clip_vision
import comfy.model_management
import comfy.sd
import folder_paths
import pytest
import torch
from pack.models.stage import render, sample_scene
from pack.nodes.character.swap import character_tokens
from pack.nodes.evaluate.clip_score import MeasureConsistency, MeasureTextAlignment
from pack.nodes.evaluate.clips import CompareVideos
from pack.nodes.evaluate.depth import CompareDepth
from pack.nodes.evaluate.flicker import MeasureFlicker
from pack.nodes.host.evaluate import clip_folder
from pack.nodes.host.evaluate.clip import CHUNK, encode_images, encode_text
from safetensors.torch import load_file, save_file
from tiny.clip_folder import write_clip
from transformers import CLIPModel, CLIPTokenizer

NAN = float("nan")
SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
SEEING = {
    **SMALL, "model_type": "clip_vision_model", "image_size": 56, "patch_size": 14, "num_channels": 3,
    "hidden_act": "quick_gelu",
}  # fmt: skip


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """One more folder that the host lists as models/clip_vision."""
    folder = tmp_path_factory.mktemp("clip_vision")
    folder_paths.add_model_folder_path("clip_vision", str(folder))
    return folder


@pytest.fixture(scope="module")
def clip_path(shelf):
    folder = shelf / "tiny-clip"
    write_clip(folder)
    return folder


@pytest.fixture(scope="module")
def reference(clip_path):
    """The tiny CLIP in transformers itself."""
    return CLIPModel.from_pretrained(clip_path).eval(), CLIPTokenizer.from_pretrained(clip_path)


@pytest.fixture(scope="module")
def vision(clip_path):
    """Its picture half in the host's ClipVisionModel."""
    return host_vision(load_file(clip_path / "model.safetensors"), clip_path / "vision.json")


def host_vision(state, config, width=16):
    config.write_text(json.dumps(SEEING | {"projection_dim": width}))
    model = comfy.clip_vision.ClipVisionModel(str(config))
    missing, _ = model.load_sd({name: value for name, value in state.items() if name.startswith("vis")})
    assert not missing
    return model


def host_text(state, path):
    """Its text half through the host's Load CLIP, whose sizes alone are made small; the projection there is square."""
    save_file({name: value.contiguous() for name, value in state.items() if name.startswith("text")}, path)
    return comfy.sd.load_clip([str(path)], model_options={"model_config": dict(SMALL)})


@pytest.fixture(scope="module")
def square(clip_path):
    """The same weights with both projections 32 wide, as in CLIP ViT-L/14 where text and projection are 768."""
    state = load_file(clip_path / "model.safetensors")
    g = torch.Generator().manual_seed(3)
    return {**state, **{f"{half}_projection.weight": torch.randn(32, 32, generator=g) for half in ("text", "visual")}}


@pytest.fixture(scope="module")
def both(square, tmp_path_factory):
    folder = tmp_path_factory.mktemp("halves")
    return host_vision(square, folder / "vision.json", 32), host_text(square, folder / "text.safetensors")


def clip_of(frames=3, size=56, seed=0):
    g = torch.Generator().manual_seed(seed)
    return (torch.rand(frames, size, size, 3, generator=g) * 255).round() / 255


def normalized(images):
    mean, std = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    return ((images - mean) / std).movedim(-1, 1)


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def pictures_by_hand(model, images):
    with torch.no_grad():
        return model.visual_projection(model.vision_model(normalized(images)).pooler_output).tolist()


def test_frame_consistency_is_that_of_the_reference(reference, vision, clip_path):
    images = clip_of(4)
    vectors = pictures_by_hand(reference[0], images)
    pairs = [cosine(vectors[i], vectors[j]) for i in range(4) for j in range(4) if i != j]
    expected = 100 * sum(pairs) / len(pairs)
    score, report = MeasureConsistency.execute(images, clip_folder=clip_path.name).result
    assert score == pytest.approx(expected, abs=1e-3) and expected < 99.9
    assert MeasureConsistency.execute(images, vision)[0] == pytest.approx(expected, abs=0.1), "the host works in fp16"
    assert f"{score:.2f} of 100 over 6 pairs of 4 frames" in report
    worst = min((cosine(vectors[i], vectors[j]), i, j) for i in range(4) for j in range(i + 1, 4))
    assert f"most different frames {worst[1]} and {worst[2]} with {100 * worst[0]:.2f}" in report


def test_a_still_clip_is_wholly_consistent(clip_path):
    score, report = MeasureConsistency.execute(clip_of(1).repeat(3, 1, 1, 1), clip_folder=clip_path.name).result
    assert score == pytest.approx(100, abs=1e-4)


def test_text_alignment_of_a_folder_is_transformers_own(reference, clip_path):
    """CLIPModel's own logits are the cosines times exp(logit_scale)."""
    model, tokenizer = reference
    images, text = clip_of(3), "a blue figure dances, (very:1.3) slowly"
    with torch.no_grad():
        out = model(**tokenizer(text, return_tensors="pt"), pixel_values=normalized(images))
    expected = 100 * out.logits_per_image[:, 0] / model.logit_scale.exp()
    score, report = MeasureTextAlignment.execute(images, text, clip_folder=f" {clip_path.name} ").result
    assert score == pytest.approx(expected.mean().item(), abs=1e-3)
    best, worst = int(expected.argmax()), int(expected.argmin())
    assert f"best frame {best} with {expected[best]:.2f}, worst frame {worst} with {expected[worst]:.2f}" in report


def test_text_alignment_by_the_hosts_two_halves(reference, both, square):
    """The unprojected vectors of transformers, projected here, against the host's loaders."""
    model, tokenizer = reference
    images, text = clip_of(3), "a red cat (really:1.5)"
    with torch.no_grad():
        words = (
            model.text_model(**tokenizer(text, return_tensors="pt")).pooler_output @ square["text_projection.weight"].T
        )
        seen = model.vision_model(normalized(images)).pooler_output @ square["visual_projection.weight"].T
    assert (encode_text(both[1], text) - words).norm() / words.norm() < 5e-3
    expected = 100 * sum(cosine(v, words[0].tolist()) for v in seen.tolist()) / 3
    assert MeasureTextAlignment.execute(images, text, *both)[0] == pytest.approx(expected, abs=0.3)
    other = MeasureTextAlignment.execute(images, "two dogs", *both)[0]
    assert abs(other - expected) > 0.5, "another sentence is another number"


def test_the_text_encoder_is_left_as_it_was(both):
    clip = both[1]
    tokens = clip.tokenize("a cat")
    before = clip.encode_from_tokens(tokens, return_pooled=True)
    encode_text(clip, "a dog")
    after = clip.encode_from_tokens(tokens, return_pooled=True)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_text_encoder_without_projection_is_refused(square, both, tmp_path):
    """As in a checkpoint of Stable Diffusion 1.x: the host loads it silently."""
    state = {name: value for name, value in square.items() if name != "text_projection.weight"}
    clip = host_text(state, tmp_path / "clip_l.safetensors")
    assert clip.encode_from_tokens(clip.tokenize("a cat"), return_pooled=True)[1].shape == (1, 32)
    with pytest.raises(ValueError, match=r"clip_l.safetensors has none .* whole CLIP ViT-L/14 .* or give clip_folder"):
        MeasureTextAlignment.execute(clip_of(1), "a cat", both[0], clip)
    clip.patcher.cached_patcher_init = None
    with pytest.raises(ValueError, match="the file of this one is unknown"):
        MeasureTextAlignment.execute(clip_of(1), "a cat", both[0], clip)


@pytest.mark.parametrize("projection", [torch.eye(32), torch.zeros(32, 32), torch.full((32, 32), NAN)])
def test_a_projection_without_meaning_is_refused(square, both, tmp_path, projection):
    clip = host_text({**square, "text_projection.weight": projection}, tmp_path / "text.safetensors")
    with pytest.raises(ValueError, match="does not compare with pictures"):
        MeasureTextAlignment.execute(clip_of(1), "a cat", both[0], clip)


def test_halves_of_two_models_are_refused(vision, both):
    with pytest.raises(ValueError, match="clip_vision gives 16 numbers and clip 32: load both halves of one CLIP"):
        MeasureTextAlignment.execute(clip_of(1), "a cat", vision, both[1])


def test_a_long_clip_is_read_in_chunks_and_whole_pictures_are_encoded(vision):
    images = clip_of(2 * CHUNK + 3)
    together = encode_images(vision, images)
    assert torch.allclose(together[-1:], encode_images(vision, images[-1:]), rtol=1e-2, atol=1e-2)
    wide = torch.zeros(1, 56, 168, 3)
    corner = wide.clone()
    corner[:, :, 150:] = 1  # a centre crop would not see it
    assert not torch.allclose(encode_images(vision, wide), encode_images(vision, corner), rtol=1e-2)


def test_a_link_in_the_model_folders_is_followed(clip_path, shelf, tmp_path):
    (shelf / "linked").symlink_to(shutil.copytree(clip_path, tmp_path / "elsewhere"))
    by_name, by_link = (MeasureConsistency.execute(clip_of(2), clip_folder=f)[0] for f in ("tiny-clip", "linked"))
    assert by_name == by_link


@pytest.mark.parametrize("node", [MeasureConsistency, MeasureTextAlignment])
def test_a_name_that_leads_out_of_the_model_folders_is_refused(node, clip_path, tmp_path):
    outside = shutil.copytree(clip_path, tmp_path / "outside")
    up = os.path.relpath(outside, clip_path.parent)
    words = () if node is MeasureConsistency else ("a cat",)
    for name in (
        str(outside),
        up,
        f"tiny-clip/../{up}",
        f"~/{outside}",
        up.replace("/", "\\"),
        "C:\\clip",
        "tiny-clip\0",
        "//host/clip",
    ):
        for call in (node.execute, node.fingerprint_inputs):
            with pytest.raises(
                ValueError, match="clip_folder: expected a name in the model folders .*, which leads out"
            ):
                call(clip_of(2), *words, clip_folder=name)


def test_a_folder_is_read_once_until_its_files_change_or_the_host_unloads_it(clip_path, shelf, monkeypatch):
    """By the host's own way of unloading: nothing of ours holds the weights after it."""
    folder, opened = shutil.copytree(clip_path, shelf / "read-once"), []
    original = clip_folder.open_folder
    monkeypatch.setattr(clip_folder, "open_folder", lambda path: opened.append(path) or original(path))
    measure = lambda: MeasureConsistency.execute(clip_of(2), clip_folder="read-once")[0]
    stamp = lambda: MeasureConsistency.fingerprint_inputs(clip_of(2), clip_folder="read-once")
    score, before = measure(), stamp()
    assert measure() == score and MeasureTextAlignment.execute(clip_of(2), "a cat", clip_folder="read-once")[0]
    assert len(opened) == 1 and stamp() == before
    weights = weakref.ref(clip_folder.open_clip_folder("read-once").patcher.model)
    comfy.model_management.unload_all_models()
    gc.collect()
    assert weights() is None and not clip_folder.opened
    assert measure() == score and len(opened) == 2
    state = load_file(folder / "model.safetensors")
    save_file(
        {name: value * (2 if "visual" in name else 1) + 0 for name, value in state.items()},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    os.utime(folder / "model.safetensors", ns=(1, 1))
    assert stamp() != before and measure() and len(opened) == 3


def test_pictures_without_a_projection_are_refused(square, tmp_path):
    """As with clip_vision files that lack it: the host only warns and projects by what lies in memory."""
    state = {name: value for name, value in square.items() if name != "visual_projection.weight"}
    (tmp_path / "vision.json").write_text(json.dumps(SEEING | {"projection_dim": 32}))
    model = comfy.clip_vision.ClipVisionModel(str(tmp_path / "vision.json"))
    model.model.visual_projection.weight.data.zero_()  # fresh pages; here they may be used ones
    missing, _ = model.load_sd({name: value for name, value in state.items() if name.startswith("vis")})
    assert missing == ["visual_projection.weight"]
    (tmp_path / "plain.json").write_text(json.dumps(SEEING))
    plain = comfy.clip_vision.ClipVisionModel(str(tmp_path / "plain.json"))  # a model without such a layer, as SigLIP's
    plain.load_sd({name: value for name, value in state.items() if name.startswith("vis")})
    for vision in (model, plain):
        with pytest.raises(ValueError, match="clip_vision: expected CLIP with visual_projection"):
            MeasureConsistency.execute(clip_of(2), vision)
        with pytest.raises(ValueError, match="clip_vision: expected CLIP with visual_projection"):
            character_tokens(clip_of(1), None, vision)


def test_folders_that_are_no_clip_are_refused(clip_path):
    for name in ("no/such/folder", "openai/clip-vit-large-patch14"):
        with pytest.raises(ValueError, match=f"found none at {name}: put openai/clip-vit"):
            MeasureConsistency.execute(clip_of(2), clip_folder=name)
    broken = shutil.copytree(clip_path, clip_path.with_name("broken"))
    state = load_file(broken / "model.safetensors")
    save_file({k: v for k, v in state.items() if k != "text_projection.weight"}, broken / "model.safetensors")
    with pytest.raises(ValueError, match="every weight of CLIP in broken, but 1 are missing .* text_projection.weight"):
        MeasureTextAlignment.execute(clip_of(1), "a cat", clip_folder="broken")
    (broken / "model.safetensors").write_bytes(b"<html>")
    with pytest.raises(ValueError, match="broken does not open as CLIP"):
        MeasureConsistency.execute(clip_of(2), clip_folder="broken")
    (broken / "model.safetensors").unlink()
    torch.save(state, broken / "pytorch_model.bin")  # a pickle is never read
    with pytest.raises(ValueError, match="broken does not open as CLIP"):
        MeasureConsistency.execute(clip_of(2), clip_folder="broken")


@pytest.fixture(scope="module")
def stage():
    return render(
        sample_scene(31, frames=4, height=96, width=96, frame_rate=12, action="dance", objects=0, camera="sway")
    )


def test_flicker_separates_a_true_clip_from_a_flickering_one(stage):
    error, images, report = MeasureFlicker.execute(stage.rgb).result[:3]
    assert 0 < error < 3 and images.shape == (3, 96, 96, 3)
    flicker = (stage.rgb * torch.tensor([1.0, 0.8, 1.0, 0.8])[:, None, None, None]).clamp(0, 1)
    assert MeasureFlicker.execute(flicker, motion_images=stage.rgb)[0] > 4 * error
    assert MeasureFlicker.execute(stage.rgb[[2, 0, 3, 1]], motion_images=stage.rgb)[0] > 3 * error
    said = re.fullmatch(
        r"Warp error ([\d.]+) of 255 on ([\d.]+) % of the pixels over 3 pairs of frames; "
        r"the largest error is from frame (\d) to (\d) with ([\d.]+)\.",
        report,
    )
    assert float(said[1]) == pytest.approx(error, abs=0.006) and 50 < float(said[2]) < 100
    blue = (images == torch.tensor([0.1, 0.2, 0.5])).all(-1).float().mean().item()
    assert 100 * blue == pytest.approx(100 - float(said[2]), abs=0.1), "what is not counted is blue"
    assert float(said[5]) >= error - 0.01


def test_flicker_of_still_clips_is_a_plain_difference():
    """Without motion only the change of brightness is left, by hand; a mask keeps the half that changes."""
    scene = render(sample_scene(3, frames=1, height=64, width=64)).rgb * 0.8
    images = scene.repeat(3, 1, 1, 1)
    images[1, :, 32:] += 10 / 255
    motion = scene.repeat(3, 1, 1, 1)
    mask = torch.zeros(64, 64)
    mask[:, 32:] = 1
    assert MeasureFlicker.execute(images, motion_images=motion)[0] == pytest.approx(5, abs=0.1)
    error, pictures, report = MeasureFlicker.execute(images, motion_images=motion, mask=mask, error_gain=2.0).result[:3]
    assert error == pytest.approx(10, abs=0.1) and "on 100.0 % of the pixels" in report
    assert pictures[0, 8, 60].tolist() == pytest.approx([20 / 255] * 3, abs=1e-3)
    assert pictures[0, 8, 4].tolist() == pytest.approx([0.1, 0.2, 0.5])


def test_flicker_beside_the_original_is_what_was_added():
    """A still, noisy original whose edit steps by 10 of 255: the step is left, the noise is not; a mask keeps one half."""
    scene = 0.1 + 0.7 * render(sample_scene(3, frames=1, height=64, width=64)).rgb
    original = scene + 0.02 * torch.rand(3, 64, 64, 3, generator=torch.Generator().manual_seed(0))
    edit = original.clone()
    edit[1, :, 32:] += 10 / 255
    mask = torch.zeros(64, 64)
    mask[:, 32:] = 1
    outputs = MeasureFlicker.execute(
        edit, original_images=original, motion_images=scene.repeat(3, 1, 1, 1), mask=mask
    ).result
    error, _, report, added, sharpness = outputs
    assert added == pytest.approx(10, abs=0.1) and error > added and sharpness == pytest.approx(1, abs=0.01)
    said = re.search(r"The original has ([\d.]+); the clip adds ([\d.]+) to it, at (\d+) % of its sharpness\.$", report)
    assert float(said[1]) > 1 and float(said[2]) == pytest.approx(added, abs=0.006) and said[3] == "100"


def test_a_soft_clip_is_named_soft_and_is_worse_than_its_original(stage):
    noisy = (stage.rgb + 0.06 * torch.rand(stage.rgb.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    soft = torch.nn.functional.avg_pool2d(noisy.movedim(-1, 1), 5, 1, 2, count_include_pad=False).movedim(1, -1)
    own, _, _, nothing, same = MeasureFlicker.execute(noisy, original_images=noisy).result
    error, _, report, added, sharpness = MeasureFlicker.execute(soft, original_images=noisy).result
    assert error < own and nothing == 0 and same == 1, "by itself the soft clip seems better"
    assert added > 0 and sharpness < 0.8 and report.endswith("It is softer, which lowers the warp error.")


def test_without_an_original_nothing_is_compared(stage):
    error, _, report, added, sharpness = MeasureFlicker.execute(stage.rgb).result
    assert (added, sharpness) == (error, 1.0) and "original" not in report


def test_the_original_s_motion_counts_unless_another_is_given(stage):
    broken = stage.rgb[[2, 0, 3, 1]]
    along_original = MeasureFlicker.execute(broken, original_images=stage.rgb)
    assert along_original[0] == MeasureFlicker.execute(broken, motion_images=stage.rgb)[0]
    assert MeasureFlicker.execute(broken, original_images=stage.rgb, motion_images=broken)[0] != along_original[0]


def test_compare_depth_by_hand():
    made, truth = torch.zeros(2, 4, 4, 3), torch.zeros(2, 4, 4, 3)
    made[0, :2], made[1, 0, 0] = 0.3, 1.0
    l2, rmse, mae, report, images = CompareDepth.execute(made, truth, "none").result
    assert l2 == pytest.approx((8 * 0.09 + 1) / 32) and rmse == pytest.approx(math.sqrt(l2))
    assert mae == pytest.approx((8 * 0.3 + 1) / 32) and images.shape == (2, 4, 4, 3) and images[0, 0, 0, 0] == 1
    mask = torch.zeros(4, 4)
    mask[0, :2] = 1
    l2, rmse, mae, report, images = CompareDepth.execute(made, truth, "none", mask=mask, error_gain=1.0).result
    assert mae == pytest.approx((4 * 0.3 - 2 * 0.3 + 1) / 4) and "on 12.5 % of the pixels" in report
    assert images[0, 0, 0, 0] == pytest.approx(0.3) and images[0, 3, 3].tolist() == pytest.approx([0.1, 0.2, 0.5])


def test_compare_depth_fits_one_scale_and_shift_for_the_clip(stage):
    truth = (1 / stage.depth)[..., None].repeat(1, 1, 1, 3)
    made = 0.5 * truth + 0.1
    plain = CompareDepth.execute(made, truth, "none")
    fitted = CompareDepth.execute(made, truth, "scale and shift")
    assert plain[0] > 1e-4 and fitted[0] < 1e-12 and "Fitted: reference_depth = 2 x depth -0.2." in fitted[3]
    swapped = CompareDepth.execute(1 - made, truth, "scale and shift")
    assert swapped[0] < 1e-12 and "Near and far are swapped" in swapped[3]
    flickering = made * torch.tensor([1.0, 0.9, 1.1, 1.0])[:, None, None, None]
    assert CompareDepth.execute(flickering, truth, "scale and shift")[0] > 1e-5, "one fit hides no flicker"


def test_compare_videos_by_hand():
    made, truth = torch.zeros(2, 2, 2, 3), torch.zeros(2, 2, 2, 3)
    made[1, 0, 0] = torch.tensor([0.1, 0.2, 0.3])
    psnr, error, images, report = CompareVideos.execute(made, truth).result
    square = (0.01 + 0.04 + 0.09) / 24
    assert psnr == pytest.approx(-10 * math.log10(square), abs=1e-4) and error == pytest.approx(255 * 0.6 / 24)
    assert images[1, 0, 0].tolist() == pytest.approx([0.4, 0.8, 1.0]) and not images[0].any()
    assert f"the largest error is in frame 1 with {-10 * math.log10(2 * square):.2f} dB" in report
    assert CompareVideos.execute(made, truth, mask=1 - (made[..., 0] > 0).float()).result[:2] == (100.0, 0.0)
    assert CompareVideos.execute(made, made)[0] == 100.0


@pytest.mark.parametrize("size", [(1, 1), (7, 9)])
def test_grey_rgba_and_any_size(size):
    seeded = torch.Generator().manual_seed(0)
    grey = torch.rand(2, *size, 1, generator=seeded)
    rgba = torch.cat((grey.repeat(1, 1, 1, 3), torch.rand(2, *size, 1, generator=seeded)), -1)
    assert CompareVideos.execute(grey, rgba)[0] == 100.0
    assert CompareDepth.execute(grey, rgba, "scale and shift")[0] < 1e-12
    assert MeasureFlicker.execute(grey, motion_images=rgba)[0] == MeasureFlicker.execute(rgba, motion_images=grey)[0]


def test_inputs_are_not_written_to(stage):
    clip, mask = stage.rgb[:2].clone(), torch.ones(2, 96, 96)
    kept = clip.clone()
    MeasureFlicker.execute(clip, mask=mask), CompareVideos.execute(clip, 1 - clip, mask=mask)
    grey = clip[..., :1].clone()
    CompareDepth.execute(grey, 1 - grey, "scale and shift", mask=mask)
    assert torch.equal(clip, kept) and torch.equal(grey, kept[..., :1]) and mask.all()


def bad(images):
    images = images.clone()
    images[1, 0, 0, 0] = NAN
    return images


ONE, TWO, WIDE = torch.rand(1, 8, 8, 3), torch.rand(2, 8, 8, 3), torch.rand(2, 8, 12, 3)
GREY, DARK = torch.rand(2, 8, 8, 1), torch.zeros(8, 8)


@pytest.mark.parametrize(
    "call, phrase",
    [
        (lambda: MeasureConsistency.execute(ONE), "Measure Frame Consistency needs at least 2 frames, got 1"),
        (
            lambda: MeasureConsistency.execute(TWO),
            "connect clip_vision from Load CLIP Vision, or name a local clip_folder",
        ),
        (
            lambda: MeasureConsistency.execute(bad(TWO)),
            "images: expected finite numbers, got 1 NaN .*, the first in frame 1",
        ),
        (lambda: MeasureTextAlignment.execute(TWO, " \n"), "text: expected a text .*, got none"),
        (lambda: MeasureTextAlignment.execute(TWO, "a cat"), "needs both halves of CLIP"),
        (lambda: MeasureTextAlignment.execute(TWO * 255, "a cat"), r"expected values from 0 to 1, got up to"),
        (lambda: MeasureFlicker.execute(ONE), "Measure Flicker needs at least 2 frames, got 1: connect a whole clip"),
        (lambda: MeasureFlicker.execute(TWO, motion_images=ONE), "images has 2, motion_images has 1: trim the longer"),
        (
            lambda: MeasureFlicker.execute(TWO, motion_images=WIDE),
            "images is 8 x 8, motion_images is 12 x 8: put Upscale Image",
        ),
        (lambda: MeasureFlicker.execute(TWO, motion_images=bad(TWO)), "motion_images: expected finite numbers"),
        (
            lambda: MeasureFlicker.execute(TWO, original_images=ONE),
            "images has 2, original_images has 1: trim the longer",
        ),
        (lambda: MeasureFlicker.execute(TWO, original_images=WIDE), "images is 8 x 8, original_images is 12 x 8"),
        (lambda: MeasureFlicker.execute(TWO, original_images=bad(TWO)), "original_images: expected finite numbers"),
        (lambda: MeasureFlicker.execute(TWO, mask=DARK), "mask: expected white where pixels count, got none"),
        (lambda: MeasureFlicker.execute(TWO, mask=DARK + NAN), "mask: expected finite numbers"),
        (
            lambda: MeasureFlicker.execute(TWO, mask=torch.stack((DARK, DARK + 1))),
            "expected pixels with reliable motion, but found none",
        ),
        (lambda: CompareDepth.execute(GREY, GREY[:1], "none"), "depth has 2, reference_depth has 1"),
        (lambda: CompareDepth.execute(GREY, WIDE[..., :1], "none"), "depth is 8 x 8, reference_depth is 12 x 8"),
        (
            lambda: CompareDepth.execute(GREY, TWO, "none"),
            "reference_depth: expected a grey depth picture, got colours",
        ),
        (lambda: CompareDepth.execute(bad(GREY), GREY, "none"), "depth: expected finite numbers"),
        (lambda: CompareDepth.execute(GREY, GREY, "none", mask=DARK), "mask: expected white"),
        (lambda: CompareVideos.execute(TWO, ONE), "images has 2, reference_images has 1"),
        (lambda: CompareVideos.execute(TWO, WIDE), "images is 8 x 8, reference_images is 12 x 8"),
        (lambda: CompareVideos.execute(TWO, bad(TWO)), "reference_images: expected finite numbers"),
        (lambda: CompareVideos.execute(TWO, TWO, mask=DARK), "mask: expected white"),
        (
            lambda: CompareVideos.execute(TWO, TWO, mask=torch.ones(3, 8, 8)),
            "expected 1 or 2 masks for 2 frames, got 3",
        ),
        (lambda: CompareVideos.execute(TWO, None), "reference_images: expected an IMAGE batch .* got NoneType"),
    ],
)
def test_refusals(call, phrase):
    with pytest.raises(ValueError, match=phrase):
        call()
