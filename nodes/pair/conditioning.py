"""The character and the scene as conditioning."""

from comfy_api.latest import io

from ..inputs.video import clip_input

CATEGORY = "Duet/video and depth"


def character_tokens(images, clip_vision, vae):
    """Tokens of pictures that show one character alone, by CLIP or by the VAE."""
    from ...models.pair.foreground import latent_tokens
    from ..host.pair.vision import clip_tokens

    if clip_vision is not None:
        return clip_tokens(clip_vision, images)
    if vae is not None:
        return latent_tokens(vae.encode(images))
    raise ValueError(
        "clip_vision and vae: expected one of them, got neither: connect the VAE for a small model such as duet_dance_128, "
        "or a CLIP Vision model for a model that reads CLIP."
    )


class EncodePairCharacter(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEncodePairCharacter",
            display_name="Encode Character (Video and Depth)",
            category=CATEGORY,
            description="Encodes one picture of a character as positive and negative for a model of video and depth, in "
            "place of a prompt. The clip then shows this person.",
            search_aliases=[
                "dance", "dancing person", "animate person", "encode character", "character image", "reference image",
                "reference person", "encode person", "identity", "IDOL foreground",
            ],
            inputs=[
                io.Image.Input(
                    "character", tooltip="A picture of the person to generate. Of several pictures the first is used."
                ),
                io.Mask.Input(
                    "character_mask", optional=True,
                    tooltip="White on the person; the rest of the picture is hidden. Connect it when the picture has a "
                    "background, so that the background is not read as clothing.",
                ),
                io.ClipVision.Input(
                    "clip_vision", optional=True,
                    tooltip="CLIP ViT-L/14 from Load CLIP Vision, for models that read CLIP. It is used where both are "
                    "connected.",
                ),
                io.Vae.Input(
                    "vae", optional=True, tooltip="The VAE of the model, for small models such as duet_dance_128."
                ),
            ],
            outputs=[
                io.Conditioning.Output(
                    display_name="positive",
                    tooltip="The character, for Encode Scene (Video and Depth) or KSampler (Auto Settings).",
                ),
                io.Conditioning.Output(display_name="negative", tooltip="The same without a person."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, character, character_mask=None, clip_vision=None, vae=None) -> io.NodeOutput:
        from ...models.pair.foreground import PATCH, no_person, person_alone, surround
        from ..inputs import checks

        character = checks.rgb(character, "character")[:1]
        if clip_vision is None and vae is not None:
            checks.large_enough(character, "character", PATCH * vae.spacial_compression_encode())
        if character_mask is not None:
            character_mask = checks.mask(character_mask, "character_mask", None, character.shape[1:3])[:1]
        alone = person_alone(character, character_mask, surround(clip_vision is not None))
        pictures = (alone, no_person(character))
        positive, negative = (character_tokens(picture, clip_vision, vae) for picture in pictures)
        return io.NodeOutput([[positive, {}]], [[negative, {}]])


class EncodePairScene(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEncodePairScene",
            display_name="Encode Scene (Video and Depth)",
            category=CATEGORY,
            description="Encodes the place in which the person moves, as a part of positive and negative for a model of "
            "video and depth: a picture of the empty scene, or frames with a mask of the person.",
            search_aliases=[
                "encode scene", "encode background", "background image", "empty room", "clean plate", "IDOL background",
            ],
            inputs=[
                io.Conditioning.Input(
                    "positive", tooltip="From Encode Character (Video and Depth) or CLIP Text Encode."
                ),
                io.Conditioning.Input(
                    "negative", tooltip="From Encode Character (Video and Depth) or CLIP Text Encode."
                ),
                io.Vae.Input("vae", tooltip="The VAE of the model."),
                clip_input(
                    "scene", tooltip="The scene: one picture for the whole clip, or one for each frame if the camera moves."
                ),
                io.Mask.Input(
                    "person_mask", optional=True,
                    tooltip="White on the person in the scene pictures; the model fills this part itself. Not needed when "
                    "the scene is empty.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(
                    display_name="positive", tooltip="Positive with the scene, for Apply ControlNet or a sampler."
                ),
                io.Conditioning.Output(display_name="negative", tooltip="Negative with the same scene."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, positive, negative, vae, scene, person_mask=None) -> io.NodeOutput:
        from ...models.pair.foreground import scene_alone
        from ..host.pair.conditioning import with_scene
        from ..inputs import checks

        scene = checks.rgb(scene, "scene")
        checks.large_enough(scene, "scene", vae.spacial_compression_encode())
        if person_mask is not None:
            person_mask = checks.mask(person_mask, "person_mask", len(scene), scene.shape[1:3])
        latents = vae.encode(scene_alone(scene, person_mask))
        return io.NodeOutput(with_scene(positive, latents), with_scene(negative, latents))
