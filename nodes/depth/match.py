"""Depth of one maker in the greys of another: what a model made beside what was estimated from the clip."""

from comfy_api.latest import io

from ..inputs.depth import as_image, grey
from .normalize import CATEGORY


class MatchDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetMatchDepth",
            display_name="Match Depth",
            category=CATEGORY,
            description="Brings the depth that a model made into the greys of another depth of the same place, so that both "
            "can be composited, and masks what stands before that place: the depth of a character, with the depth of the "
            "empty scene as reference, gives the character's matte.",
            search_aliases=["align depth", "fit depth", "scale and shift", "depth matte", "depth key", "difference matte"],
            inputs=[
                io.Image.Input("depth", tooltip="Depth pictures in grey, near is white, in any range."),
                io.Image.Input(
                    "reference",
                    tooltip="Depth of the same place in the greys that are wanted, near is white: one picture for a still "
                    "camera, or one for each frame. From Complete Scene it is the scene without anybody.",
                ),
                io.Float.Input(
                    "least", default=0.02, min=0.0, max=1.0, step=0.001,
                    tooltip="How many greys nearer than the reference something must be to count as standing before it. "
                    "Raise it if the mask has specks, lower it if feet are missing.",
                ),
                io.Float.Input(
                    "feather", default=1.5, min=0.0, max=256.0, step=0.5,
                    tooltip="Over how many pixels the edge of the mask fades, half of them inside. 0 leaves it hard.",
                ),
                io.Mask.Input(
                    "same", optional=True,
                    tooltip="White where both show the same thing, if you know it. Without it that is found out: it must "
                    "be the larger part of the picture.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="depth", tooltip="The depth in the greys of the reference, from 0 to 1."),
                io.Mask.Output(display_name="nearer", tooltip="White where it is nearer than the reference."),
                io.String.Output(display_name="report", tooltip="The scale and shift, and how well they fit."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, depth, reference, least, feather, same=None) -> io.NodeOutput:
        from ...models.depth.match import match, nearer
        from ..inputs import checks
        from .edit import scenery

        depth = grey(depth)
        reference = scenery(reference, depth, "reference")
        if same is not None:
            same = checks.mask(same, "same", len(depth), depth.shape[1:]).to(depth.device) > 0.5
            if not same.any():
                raise ValueError("same: expected white where both show the same thing, got an empty mask: invert it.")
        scale, shift, found = match(depth, reference, same)
        made = scale * depth + shift
        return io.NodeOutput(
            as_image(made.clamp(0, 1)),
            nearer(made, reference, least, feather),
            report(scale, shift, made - reference, found),
        )


def report(scale: float, shift: float, error, found) -> str:
    """What was fitted, in words; error (N, H, W) and where both show the same, bool."""
    text = (
        f"Matched depth = {scale:.4g} x depth {shift:+.4g}. {100 * found.float().mean():.1f} % of the pixels show the same "
        f"and differ by {error[found].abs().mean():.4f} on average."
    )
    swapped = " Near and far are swapped in one of the clips: turn one around with Remap Depth."
    return text if scale > 0 else text + swapped
