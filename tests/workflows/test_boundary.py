"""The server's side of every node's boundary: numbers that are not finite, and Cancel while a node works."""

import json
import threading
import time

import pack
import pytest
from write_locale import inputs_of

pytestmark = pytest.mark.long(seconds=120)

SMALL = {"width": 64, "height": 64, "frames": 2}


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs}


def test_video(**size):
    return node("DuetRenderTestVideo", **defaults("DuetRenderTestVideo") | size)


def schemas():
    import asyncio

    extension = asyncio.run(pack.comfy_entrypoint())
    asyncio.run(extension.on_load())
    return {one.GET_SCHEMA().node_id: one.GET_SCHEMA() for one in asyncio.run(extension.get_node_list())}


SCHEMAS = schemas()
FLOATS = [
    (name, key) for name, schema in SCHEMAS.items() for key, i in inputs_of(schema.inputs) if i.get_io_type() == "FLOAT"
]


def defaults(name, key=""):
    """The widgets of a node as the page sends them; of a dynamic combo the option that has the key."""
    out = {}
    for one in SCHEMAS[name].inputs:
        options = getattr(one, "options", None) or [None]
        if one.get_io_type() == "COMFY_DYNAMICCOMBO_V3":
            fits = lambda option, one=one: any(f"{one.id}.{sub.id}" == key for sub in option.inputs)
            option = next(filter(fits, options), options[0])
            out[one.id] = option.key
            out |= {f"{one.id}.{sub.id}": sub.default for sub in option.inputs}
        elif one.get_io_type() in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"):
            out[one.id] = options[0] if one.default is None else one.default
    return out


# One cheap source for every type of socket.
TRUTH = {"POSE_KEYPOINT": 3, "MASK": 4, "DUET_FLOW": 13}
SOURCES = {
    "number": lambda: node("PrimitiveFloat", value="nan"),
    "video": lambda: test_video(**SMALL),
    "truth": lambda: node("DuetTestVideoTruth", test_video=["video", 1]),
    "latent": lambda: node("EmptyLatentImage", width=64, height=64, batch_size=2),
    "model": lambda: node("DuetLoadVideoModel", **defaults("DuetLoadVideoModel") | {"model_name": "duet_dance_128.safetensors"}),
    "vae": lambda: node("VAELoader", vae_name="duet_vae_128.safetensors"),
    "character": lambda: node("DuetEncodePairCharacter", character=["video", 0], vae=["vae", 0]),
    "layers": lambda: node(
        "DuetDecomposeLayers", images=["video", 0], depth=["truth", 0], person_mask=["truth", 4], **defaults("DuetDecomposeLayers")
    ),
    "files": lambda: node("DuetSaveDepth", depth=["truth", 0], **defaults("DuetSaveDepth")),
    "crop": lambda: node("DuetCropToSubject", images=["video", 0], subject_mask=["truth", 4], **defaults("DuetCropToSubject")),
}  # fmt: skip
LINKS = {
    "IMAGE": ["video", 0], "LATENT": ["latent", 0], "MODEL": ["model", 0], "VAE": ["vae", 0], "DUET_STAGE": ["video", 1],
    "CONDITIONING": ["character", 0], "DUET_LAYERS": ["layers", 0], "DUET_CROP": ["crop", 2],
    **{kind: ["truth", slot] for kind, slot in TRUTH.items()},
}  # fmt: skip


def kind_of(one):
    """The first type of an input; what takes any of several types takes pictures."""
    return one.get_io_type().split(",")[0].replace("COMFY_MATCHTYPE_V3", "IMAGE")


def prompt_of(name, **changes):
    """A node with its defaults behind the cheapest nodes that give what it needs, and with a preview of its first output."""
    links = {
        one.id: ["truth", 0] if "depth" in one.id and kind_of(one) == "IMAGE" else LINKS[kind_of(one)]
        for one in SCHEMAS[name].inputs
        if not one.optional and kind_of(one) in LINKS
    }
    files = {
        "DuetLoadVideoLora": {"lora_name": "v2_lora_PanLeft.ckpt"}, "DuetLoadDepth": {"depth_file": ["files", 0]},
    }.get(name, {})  # fmt: skip
    key = next(iter(changes), "")
    prompt = {
        "it": node(name, **defaults(name, key) | links | files | changes),
        "end": node("PreviewAny", source=["it", 0]),
    }
    while (
        missing := {link[0] for one in prompt.values() for link in one["inputs"].values() if isinstance(link, list)}
        - prompt.keys()
    ):
        prompt |= {one: SOURCES[one]() for one in missing}
    return prompt


def runs(run):
    """A small prompt still runs."""
    result = run(
        {"1": node("EmptyImage", width=8, height=8, batch_size=1, color=0), "2": node("PreviewAny", source=["1", 0])}
    )
    return result.ok and bool(result.outputs)


# --- numbers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "key"), FLOATS)
def test_a_number_that_is_nan_is_refused_by_name(name, key, run):
    result = run(prompt_of(name, **{key: "nan"}))
    assert result.error and result.error["type"] == "execution_error" and result.error["node_id"] == "it", result.error
    assert (
        result.error["exception_message"].strip()
        == f"{key.split('.')[-1]}: expected a finite number, got nan: enter another one."
    )
    for value in ("inf", "-inf"):  # the host's own min and max
        assert "it" in run(prompt_of(name, **{key: value})).node_errors
    assert runs(run)


def test_a_number_that_is_nan_through_a_link_is_refused(run):
    result = run(prompt_of("DuetRemapDepth", gamma=["number", 0]))
    assert "gamma: expected a finite number, got nan" in result.error["exception_message"]


# --- Cancel ----------------------------------------------------------------------------------------------------------


def clip(frames, side=1024):
    return node("EmptyImage", width=side, height=side, batch_size=frames, color=0x808080)


def repeated(link, frames):
    return node("RepeatImageBatch", image=link, amount=frames)


LONG = {
    "DuetRenderTestVideo": {"it": test_video(width=512, height=512, frames=200)},
    "DuetTestVideoTruth": {
        "video": test_video(width=512, height=512, frames=60), "it": node("DuetTestVideoTruth", test_video=["video", 1]),
    },
    "DuetDrawPose": {
        "video": test_video(width=64, height=64, frames=60), "truth": node("DuetTestVideoTruth", test_video=["video", 1]),
        "it": node("DuetDrawPose", **defaults("DuetDrawPose") | {"keypoints": ["truth", 3], "width": 2400, "height": 2400}),
    },
    "DuetDrawBody": {
        "video": test_video(width=64, height=64, frames=40), "truth": node("DuetTestVideoTruth", test_video=["video", 1]),
        "it": node("DuetDrawBody", **defaults("DuetDrawBody") | {"keypoints": ["truth", 3], "width": 1600, "height": 1600}),
    },
    "DuetMatchDepth": {
        "clip": clip(80), "it": node("DuetMatchDepth", depth=["clip", 0], reference_depth=["clip", 0]),
    },
    "DuetHeatMapToDepth": {
        "clip": clip(80), "it": node("DuetHeatMapToDepth", heat_map=["clip", 0], colormap="hot"),
    },
    "DuetDepthToHeatMap": {
        "clip": clip(120), "it": node("DuetDepthToHeatMap", depth=["clip", 0], colormap="turbo"),
    },
    "DuetRemapDepth": {
        "clip": clip(150), "it": node("DuetRemapDepth", **defaults("DuetRemapDepth") | {"depth": ["clip", 0], "gamma": 2.0}),
    },
    "DuetMoveObjectInDepth": {
        "clip": clip(80), "mask": node("SolidMask", value=1.0, width=1024, height=1024),
        "it": node(
            "DuetMoveObjectInDepth", **defaults("DuetMoveObjectInDepth"), depth=["clip", 0], object_mask=["mask", 0],
        ),
    },
    "DuetNormalizeDepth": {
        "clip": clip(150), "it": node("DuetNormalizeDepth", **defaults("DuetNormalizeDepth"), depth=["clip", 0]),
    },
    "DuetCompareVideos": {
        "clip": clip(60), "it": node(
            "DuetCompareVideos", **defaults("DuetCompareVideos"), images=["clip", 0], reference_images=["clip", 0],
        ),
    },
    "DuetComparePair": {
        "clip": clip(150), "it": node(
            "DuetComparePair", **defaults("DuetComparePair"), images=["clip", 0], other_images=["clip", 0],
        ),
    },
    "DuetMeasureFlicker": {
        "clip": clip(80, 512), "it": node("DuetMeasureFlicker", **defaults("DuetMeasureFlicker"), images=["clip", 0]),
    },
    "DuetDecomposeLayers": {
        "clip": clip(80), "mask": node("SolidMask", value=1.0, width=1024, height=1024),
        "it": node(
            "DuetDecomposeLayers", **defaults("DuetDecomposeLayers"), images=["clip", 0], depth=["clip", 0], person_mask=["mask", 0],
        ),
    },
    "DuetFillScene": {
        "clip": clip(50), "mask": node("SolidMask", value=1.0, width=512, height=512),
        "layers": node(
            "DuetDecomposeLayers", **defaults("DuetDecomposeLayers"), images=["clip", 0], depth=["clip", 0], person_mask=["mask", 0],
        ),
        "it": node("DuetFillScene", **defaults("DuetFillScene"), layers=["layers", 0]),
    },
    "DuetColorWheelToFlow": {
        "clip": clip(60), "it": node(
            "DuetColorWheelToFlow", **defaults("DuetColorWheelToFlow") | {"max_motion": 8.0}, flow_images=["clip", 0],
        ),
    },
    "DuetColorsToMasks": {
        "clip": clip(120), "it": node("DuetColorsToMasks", **defaults("DuetColorsToMasks"), images=["clip", 0]),
    },
    "DuetPoseToKeypoints": {
        "video": test_video(width=256, height=256, frames=40), "truth": node("DuetTestVideoTruth", test_video=["video", 1]),
        "it": node("DuetPoseToKeypoints", **defaults("DuetPoseToKeypoints"), images=["truth", 2]),
    },
    "DuetCropToSubject": {
        "clip": clip(60, 256), "mask": node("SolidMask", value=1.0, width=256, height=256),
        "it": node(
            "DuetCropToSubject", **defaults("DuetCropToSubject") | {"width": 2048, "height": 2048}, images=["clip", 0],
            subject_mask=["mask", 0],
        ),
    },
}  # fmt: skip


class Canceller:
    """Presses Cancel once, as soon as a node has done a part of its work: a fast machine would have ended it a second later."""

    def __init__(self, url: str, node_id: str):
        self.url, self.node_id, self.pressed = url, node_id, None

    def __call__(self, kind: str, data: dict) -> None:
        state = data.get("nodes", {}).get(self.node_id, {}) if kind == "progress_state" else {}
        if self.pressed is None and state.get("state") == "running" and state.get("value", 0) > 0:
            self.pressed = time.monotonic()
            threading.Thread(target=self.press).start()

    def press(self) -> None:
        from duet_host.client import request

        request(f"{self.url}/interrupt", {})


@pytest.mark.parametrize("name", LONG)
def test_cancel_stops_a_node_at_work(name, server, run):
    cancel = Canceller(server.url, "it")
    result = run({**LONG[name], "end": node("PreviewAny", source=["it", 0])}, cancel)
    assert cancel.pressed, "the node reported no progress"
    assert result.error and result.error["type"] == "execution_interrupted", result.error or "it had ended before"
    assert time.monotonic() - cancel.pressed < 3
    assert json.dumps(result.outputs) == "{}" and runs(run)
