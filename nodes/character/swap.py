"""Character, body, scene and occluder as conditioning of a character model (MIMO) for the stock samplers."""

from comfy_api.latest import io

from ..inputs.video import clip_input


class EncodeSwap(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEncodeSwap",
            display_name="Encode Character Swap",
            category="Duet/layers and swap",
            description="Encodes one picture of a character, its motion as pictures of a body, and the scene as conditioning "
            "for KSampler with a character model. Puts a character in the place of a person in a clip, or animates a still "
            "character.",
            search_aliases=[
                "replace person", "encode character", "reference image", "character swap", "swap character",
                "replace character", "encode reference", "animate character", "animate image", "identity", "pose guider",
                "motion code", "MIMO", "AnimateAnyone",
            ],
            inputs=[
                io.Vae.Input("vae", tooltip="The VAE of the character model."),
                io.Image.Input(
                    "character",
                    tooltip="The whole character, best facing the camera; the first picture is used. It is fitted into the "
                    "shape of the clip, on white.",
                ),
                clip_input(
                    "body",
                    tooltip="Pictures of a body on black, from Draw Body for Character Swap, one for each frame. They set the size "
                    "and the frames of the clip. The released MIMO needs its own body renders (sdc.mp4).",
                ),
                clip_input(
                    "scene", optional=True,
                    tooltip="The scene without a person, as from Fill Scene Behind Person: one picture or one for each frame, "
                    "of the size of body. Without it the scene is white.",
                ),
                io.Mask.Input(
                    "character_mask", optional=True,
                    tooltip="White where the character is, as from Remove Background. Without it the alpha of the picture is "
                    "used, if it has one.",
                ),
                clip_input(
                    "occluder", optional=True,
                    tooltip="Pictures of what is in front of the character, of the size of body, for models that read it. The "
                    "released MIMO does not.",
                ),
                io.Mask.Input(
                    "occluder_mask", optional=True,
                    tooltip="White where the occluder is, as occluder_mask of Decompose into Layers. The rest of occluder is "
                    "ignored.",
                ),
                io.ClipVision.Input(
                    "clip_vision", optional=True,
                    tooltip="CLIP ViT-L/14, whose vector of the character takes the place of a prompt. Needed by the released "
                    "MIMO, not by small models such as duet_character_128.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="Character, body and scene."),
                io.Conditioning.Output(
                    display_name="negative", tooltip="Body and scene without the character: what guidance moves away from."
                ),
                io.Latent.Output(
                    display_name="latent", tooltip="An empty latent of the size and frames of body, for KSampler."
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, vae, character, body, scene=None, character_mask=None, occluder=None, occluder_mask=None, clip_vision=None
    ) -> io.NodeOutput:
        import torch

        from ..host.character.conditioning import set_body, set_layers, set_reference
        from ..host.pair.latent import zero_latent

        body = read_body(body)
        frames, height, width = body.shape[:3]
        tokens, latents = encode_character(vae, character, character_mask, (height, width), clip_vision)
        layers = encode_layers(vae, body, scene, occluder, occluder_mask)
        positive, negative = set_reference([[tokens, {}]], latents), [[torch.zeros_like(tokens), {}]]
        positive, negative = (set_body(set_layers(cond, layers), body) for cond in (positive, negative))
        return io.NodeOutput(positive, negative, zero_latent((frames, 4, height // 8, width // 8), 8))


def read_body(body):
    """(N, H, W, 3) pictures of a body in [0, 1], of sides that make whole latents."""
    from ..inputs import checks

    body = checks.rgb(body, "body").clamp(0, 1)
    height, width = body.shape[1:3]
    if height % 8 or width % 8:
        raise ValueError(
            f"body: expected a width and height that are multiples of 8, got {width} x {height}: scale the clip, or set "
            f"width and height of Draw Body for Character Swap, to {round_to_8(width)} x {round_to_8(height)}."
        )
    return body


def round_to_8(side: int) -> int:
    """The nearest multiple of 8, at least 8."""
    return max(8, 8 * round(side / 8))


def encode_character(vae, image, mask, size: tuple[int, int], clip_vision):
    """Tokens (1, t, d) and latents (1, C, h, w) of the character, fitted into a clip of (H, W)."""
    from ...models.character.portrait import portrait

    height, width = size
    image, mask = read_character(image, mask)
    latents = vae.encode(portrait(image, mask, width, height))
    square = portrait(image, mask, max(size), max(size))
    return character_tokens(square, latents, clip_vision), latents


def read_character(image, mask):
    """One (1, H, W, 3) picture and a (1, H, W) mask or None; alpha is used where there is no mask."""
    from ..inputs import checks

    picture = checks.rgb(image, "character")[:1]
    if mask is None and image.shape[-1] == 4:
        mask = image[:1, ..., 3]
    if mask is None:
        return picture, None
    mask = checks.mask(mask, "character_mask", None, picture.shape[1:3])[:1]
    if not mask.any():
        raise ValueError(
            "character_mask: expected white where the character is, got an empty mask: invert or paint it."
        )
    return picture, mask


def character_tokens(square, latents, clip_vision):
    """(1, t, d) of the character: CLIP's vector of the whole picture, or latent tokens for models without CLIP."""
    from ...models.pair.foreground import latent_tokens
    from ..host.evaluate.clip import encode_images

    if clip_vision is None:
        return latent_tokens(latents)
    return encode_images(clip_vision, square)[:, None]


def encode_layers(vae, body, scene, occluder, occluder_mask):
    """(1 or N, n C, h, w) latents of the scene, white where it is None, and of the occluder if there is one."""
    import torch

    layers = [torch.ones_like(body[:1]) if scene is None else read_layer(scene, "scene", body)]
    if occluder is not None:
        layers.append(occluder_alone(read_layer(occluder, "occluder", body), occluder_mask))
    latents = [vae.encode(layer) for layer in layers]
    frames = max(map(len, latents))
    return torch.cat([one.expand(frames, -1, -1, -1) for one in latents], 1)


def read_layer(images, name: str, body):
    """(1 or N, H, W, 3) pictures of the size of the body (N, H, W, 3)."""
    from ..inputs import checks, clips

    return clips.same_size(name, checks.rgb(images, name), body.shape[1:3], len(body), like="body")


def occluder_alone(occluder, mask):
    """(N, H, W, 3) pictures of the occluder, grey around it."""
    from ...models.pair.foreground import GREY, person_alone
    from ..inputs import checks

    if mask is not None:
        mask = checks.mask(mask, "occluder_mask", len(occluder), occluder.shape[1:3])
    return person_alone(occluder, mask, (GREY, GREY, GREY))
