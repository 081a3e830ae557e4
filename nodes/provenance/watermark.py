"""An invisible number in the frames of a clip, and the search for it."""

from comfy_api.latest import io

from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input

CATEGORY = "Duet/provenance"
SMALLEST = 256  # pixels of a side
WORKING = 64  # numbers for each pixel of the frame that the networks work on
ALIASES = [
    "invisible watermark",
    "watermark",
    "RivaGAN",
    "provenance",
    "AI disclosure",
    "copyright",
    "imwatermark",
    "signature",
]


class EmbedWatermark(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEmbedWatermark",
            display_name="Embed Watermark",
            category=CATEGORY,
            description="Adds an invisible number to every frame of a clip, by which Detect Watermark recognises it later, also "
            "after compression, scaling and cropping. For pictures that are looked at, not for depth, flow or masks: it "
            "changes values. It can be removed on purpose. Needs the package invisible-watermark.",
            search_aliases=ALIASES,
            inputs=[
                clip_input(
                    "images",
                    tooltip="Clip to mark, at least 256 x 256, with texture: black, flat and very smooth frames cannot hold a "
                    "watermark.",
                ),
                io.Int.Input(
                    "watermark_id", default=1, min=0, max=65535, step=1,
                    tooltip="Number to embed, from 0 to 65535: one for you, a project or a model. Note what it stands for.",
                ),
                io.Float.Input(
                    "strength", default=1.0, min=0.5, max=2.0, step=0.1,
                    tooltip="How much each colour changes: 1 is at most 2 of 255 steps, PSNR 42 dB. Raise it to 1.5 (39 dB) for "
                    "drawn or smooth clips and for strong compression; 2 (36 dB) can be seen in flat areas.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", tooltip="The marked clip. Alpha and values above white are unchanged."
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="How many of the 32 bits are read back from the clip and from each frame, PSNR, and frames that "
                    "hold too little.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, watermark_id, strength) -> io.NodeOutput:
        from ...models.provenance.clip import judge, mark_clip
        from ..host.notice import show_warning
        from ..host.progress import progress
        from ..host.provenance.rivagan import open_rivagan
        from ..inputs import checks
        from .reports import embed_report, grey_warning, refuse_lost

        check_clip_memory("Embed Watermark", images, 4, WORKING)
        pictures = checks.pictures(images)
        checks.large_enough(pictures, "images", SMALLEST)
        warning = grey_warning(pictures)
        show_warning(warning, "The pictures have colour.")
        whole = images.float() if images.shape[-1] == 4 else pictures
        marked = mark_clip(whole, watermark_id, strength, open_rivagan(), progress(len(whole)))
        finding = judge(marked.scores, watermark_id)
        refuse_lost(finding)
        return io.NodeOutput(marked.images, embed_report(finding, marked.psnr, warning))


class DetectWatermark(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDetectWatermark",
            display_name="Detect Watermark",
            category=CATEGORY,
            description="Reads the number that Embed Watermark added to a clip, also from a mirrored one, with the number of "
            "matching bits and how likely that is by chance. Needs the package invisible-watermark.",
            search_aliases=["find watermark", "read watermark", *ALIASES],
            inputs=[
                clip_input("images", tooltip="Clip or picture to search. More frames are surer."),
                io.Int.Input(
                    "expected_id", default=-1, min=-1, max=65535, step=1,
                    tooltip="Number that you expect, known before you search: 28 of 32 bits are then enough. -1: any number is "
                    "searched for, and all 32 bits must agree.",
                ),
                io.Int.Input(
                    "max_frames", default=24, min=0, max=4096, step=1, advanced=True,
                    tooltip="Largest number of frames to read, evenly spread over the clip. 0: all. Fewer are faster.",
                ),
            ],
            outputs=[
                io.Boolean.Output(
                    display_name="found", tooltip="Whether a watermark was found, with p below 0.0001."
                ),
                io.Int.Output(display_name="watermark_id", tooltip="Its number, -1 where none was found."),
                io.String.Output(
                    display_name="report", tooltip="Matching bits of the clip and of its frames, and the p-value."
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, expected_id, max_frames) -> io.NodeOutput:
        from ...models.provenance.clip import evenly, find_number
        from ..host.progress import progress
        from ..host.provenance.rivagan import open_rivagan
        from ..inputs import checks
        from .reports import detect_report

        check_clip_memory("Detect Watermark", images, 0, WORKING)
        images = checks.pictures(images)
        frames = [images[place] for place in evenly(len(images), max_frames)]
        expected = None if expected_id < 0 else expected_id
        finding = find_number(frames, expected, open_rivagan(), progress(2 * len(frames)))
        number = finding.number if finding.sure else -1
        return io.NodeOutput(finding.sure, number, detect_report(finding, expected))
