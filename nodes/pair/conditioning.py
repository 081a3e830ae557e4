"""The person and the room as conditioning."""

from comfy_api.latest import io

CATEGORY = "Duet/conditioning"


def person_tokens(images, clip_vision, vae):
    """Tokens of pictures that show one person alone, by CLIP or by the VAE."""
    from ...models.pair.foreground import latent_tokens
    from ..host.pair.vision import clip_tokens

    if clip_vision is not None:
        return clip_tokens(clip_vision, images)
    if vae is not None:
        return latent_tokens(vae.encode(images))
    raise ValueError(
        "Encode Foreground needs something to read the picture with: connect a CLIP Vision model, "
        "or for a model without CLIP its VAE."
    )


class EncodeForeground(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEncodeForeground",
            display_name="Encode Foreground",
            category=CATEGORY,
            description="Tells a video-depth model who acts: the person of a picture as tokens, in place of a prompt. "
            "The negative is the same without a person.",
            search_aliases=["person", "reference image", "identity", "CLIP tokens", "IDOL foreground", "character"],
            inputs=[
                io.Image.Input("image", tooltip="A picture of the person; only the first one counts."),
                io.Mask.Input(
                    "mask", optional=True,
                    tooltip="White where the person is. Everything else is hidden from the model.",
                ),
                io.ClipVision.Input(
                    "clip_vision", optional=True,
                    tooltip="CLIP ViT-L/14, for models that read CLIP tokens.",
                ),
                io.Vae.Input(
                    "vae", optional=True,
                    tooltip="The VAE, for small models that read latent tokens in place of CLIP.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The person."),
                io.Conditioning.Output(display_name="negative", tooltip="Nobody: what the guidance moves away from."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, image, mask=None, clip_vision=None, vae=None) -> io.NodeOutput:
        from ...models.pair.foreground import nobody, person_alone
        from ..inputs import checks

        image = checks.rgb(image, "image")[:1]
        if mask is not None:
            mask = checks.mask(mask, "mask", None, image.shape[1:3])[:1]
        pictures = (person_alone(image, mask), nobody(image))
        positive, negative = (person_tokens(picture, clip_vision, vae) for picture in pictures)
        return io.NodeOutput([[positive, {}]], [[negative, {}]])


class EncodeBackground(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEncodeBackground",
            display_name="Encode Background",
            category=CATEGORY,
            description="Tells a video-depth model where the person acts: the room as latents that join the noise. "
            "Give it a clean plate, or a frame with a mask of the person.",
            search_aliases=["background latent", "clean plate", "IDOL background", "scene"],
            inputs=[
                io.Conditioning.Input("positive", tooltip="From Encode Foreground or a prompt."),
                io.Conditioning.Input("negative", tooltip="From Encode Foreground or a prompt."),
                io.Vae.Input("vae", tooltip="The VAE of the model."),
                io.Image.Input("image", tooltip="The room: one picture for the whole clip, or one for each frame."),
                io.Mask.Input(
                    "mask", optional=True,
                    tooltip="White where a person is in the picture; the model fills that place itself.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The positive with the room."),
                io.Conditioning.Output(display_name="negative", tooltip="The negative with the same room."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, positive, negative, vae, image, mask=None) -> io.NodeOutput:
        from ...models.pair.foreground import room_alone
        from ..host.pair.conditioning import with_background
        from ..inputs import checks

        image = checks.rgb(image, "image")
        if mask is not None:
            mask = checks.mask(mask, "mask", len(image), image.shape[1:3])
        latents = vae.encode(room_alone(image, mask))
        return io.NodeOutput(with_background(positive, latents), with_background(negative, latents))
