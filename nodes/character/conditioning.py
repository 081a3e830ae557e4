"""Who acts, where and how (MIMO) as conditioning for the stock samplers."""

from comfy_api.latest import io

CATEGORY = "Duet/conditioning"


class EncodeReference(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        side = lambda name, words: io.Int.Input(
            name, default=784, min=64, max=4096, step=8, tooltip=f"{words} of the clip, as in Empty Latent Image.",
        )  # fmt: skip
        return io.Schema(
            node_id="DuetEncodeReference",
            display_name="Encode Reference",
            category=CATEGORY,
            description="Tells a character model who acts, by one picture. The picture is put on white and fitted into "
            "the shape of the clip; the negative knows nobody.",
            search_aliases=["reference image", "identity", "character picture", "reference attention", "MIMO"],
            inputs=[
                io.Image.Input("image", tooltip="The whole character, best facing the camera; the first picture counts."),
                io.Vae.Input("vae", tooltip="The VAE of the model."),
                side("width", "The width"),
                side("height", "The height"),
                io.Mask.Input(
                    "mask", optional=True,
                    tooltip="White where the character is, as from Remove Background. Without it the alpha of the "
                    "picture counts, if it has one.",
                ),
                io.ClipVision.Input(
                    "clip_vision", optional=True,
                    tooltip="CLIP ViT-L/14, whose vector of the picture stands in place of a prompt. Small models that "
                    "read latent tokens need none.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The character."),
                io.Conditioning.Output(display_name="negative", tooltip="Nobody: what the guidance moves away from."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, image, vae, width, height, mask=None, clip_vision=None) -> io.NodeOutput:
        import torch

        from ...models.character.portrait import portrait
        from ..host.character.conditioning import with_reference

        image, mask = character_alone(image, mask)
        latents = vae.encode(portrait(image, mask, width, height))
        square = portrait(image, mask, max(width, height), max(width, height))
        tokens = character_tokens(square, latents, clip_vision)
        return io.NodeOutput(with_reference([[tokens, {}]], latents), [[torch.zeros_like(tokens), {}]])


def character_alone(image, mask):
    """One (1, H, W, 3) picture and a (1, H, W) mask or None; alpha serves where no mask is given."""
    from ..inputs import checks

    picture = checks.rgb(image, "image")[:1]
    if mask is None and image.shape[-1] == 4:
        mask = image[:1, ..., 3]
    if mask is None:
        return picture, None
    mask = checks.mask(mask, "mask", None, picture.shape[1:3])[:1]
    if not mask.any():
        raise ValueError("mask: expected white where the character is, got an empty mask: invert or paint it.")
    return picture, mask


def character_tokens(square, latents, clip_vision):
    """(1, t, d) of the character: CLIP's vector of the whole picture, or latent tokens for models without CLIP."""
    from ...models.pair.foreground import latent_tokens
    from ..host.evaluate.clip import one_each

    if clip_vision is None:
        return latent_tokens(latents)
    return one_each(clip_vision.encode_image(square, crop=False)["image_embeds"])[:, None]


class EncodeLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEncodeLayers",
            display_name="Encode Layers",
            category=CATEGORY,
            description="Tells a character model where the character acts: the scene without anybody, and for models that "
            "read it what passes in front, as latents beside the noise.",
            search_aliases=["scene code", "occlusion code", "clean plate", "background latent", "MIMO"],
            inputs=[
                io.Conditioning.Input("positive", tooltip="From Encode Reference."),
                io.Conditioning.Input("negative", tooltip="From Encode Reference; it gets the same layers."),
                io.Vae.Input("vae", tooltip="The VAE of the model."),
                io.Image.Input(
                    "scene",
                    tooltip="The scene with nobody in it: one picture for the whole clip, or one for each frame. White "
                    "for a character on white.",
                ),
                io.Image.Input(
                    "occluder", optional=True,
                    tooltip="What passes in front of the character, for models that read two layers. The released MIMO "
                    "reads the scene alone.",
                ),
                io.Mask.Input(
                    "occluder_mask", optional=True,
                    tooltip="White where the occluder is; the rest of its pictures becomes grey, which stands for nothing.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The positive with the layers."),
                io.Conditioning.Output(display_name="negative", tooltip="The negative with the same layers."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, positive, negative, vae, scene, occluder=None, occluder_mask=None) -> io.NodeOutput:
        import torch

        from ..host.character.conditioning import with_layers
        from ..inputs import checks

        latents = [vae.encode(checks.rgb(scene, "scene"))]
        if occluder is not None:
            latents.append(vae.encode(occluder_alone(occluder, occluder_mask)))
            checks.same_frames(**{n: x for n, x in zip(("scene", "occluder"), latents, strict=True) if len(x) > 1})
        most = max(map(len, latents))
        latents = torch.cat([x.expand(most, -1, -1, -1) for x in latents], 1)
        return io.NodeOutput(with_layers(positive, latents), with_layers(negative, latents))


def occluder_alone(occluder, mask):
    """(N, H, W, 3) pictures of what passes in front, grey around it."""
    from ...models.pair.foreground import GREY, person_alone
    from ..inputs import checks

    pictures = checks.rgb(occluder, "occluder")
    if mask is not None:
        mask = checks.mask(mask, "occluder_mask", len(pictures), pictures.shape[1:3])
    return person_alone(pictures, mask, (GREY, GREY, GREY))


class EncodeMotionCode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEncodeMotionCode",
            display_name="Encode Motion Code",
            category=CATEGORY,
            description="Tells a character model how the character moves: pictures of a body in fixed colours, one for "
            "each frame. They decide how many frames the clip has.",
            search_aliases=["pose guider", "sdc", "motion code", "body render", "MIMO", "pose condition"],
            inputs=[
                io.Conditioning.Input("positive", tooltip="From Encode Layers."),
                io.Conditioning.Input("negative", tooltip="From Encode Layers; it gets the same motion."),
                io.Image.Input(
                    "images",
                    tooltip="Pictures of the motion on black, in the shape of the clip. The released MIMO knows its own "
                    "body renders (sdc.mp4); models trained with Duet know those of the capsule body.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The positive with the motion."),
                io.Conditioning.Output(display_name="negative", tooltip="The negative with the same motion."),
                io.Int.Output(display_name="frames", tooltip="How many there are, for Empty Latent Image."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, positive, negative, images) -> io.NodeOutput:
        from ..host.character.conditioning import with_motion_code
        from ..inputs import checks

        images = checks.rgb(images, "images").clamp(0, 1)
        both = (with_motion_code(conditioning, images) for conditioning in (positive, negative))
        return io.NodeOutput(*both, len(images))
