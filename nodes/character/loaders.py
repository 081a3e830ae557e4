"""The files of a character model (MIMO)."""

from comfy_api.latest import io

from ..host.files.folders import find_file, list_files, stamp

FOLDERS = ("diffusion_models", "model_patches", "animatediff_models")
AUTO = "auto"
SHIPPED = "duet_character_128.safetensors"


def open_character_model(paths: tuple, disable_dynamic: bool = False) -> tuple:
    """The MODEL in up to four files and the report on them; the host calls this again for a fresh copy."""
    from ...models.files import open_character
    from ..host.recommended import with_recommended
    from ..host.unet.model import native_model

    config, state, report = open_character(*paths)
    source = (open_character_model, (paths,), 0)
    model = native_model(config, state, source=source, disable_dynamic=disable_dynamic)
    return with_recommended(model, paths[0]), report.text


class LoadCharacterModel(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        found = list_files(*FOLDERS)
        part = lambda name, words: io.Combo.Input(
            name, options=[AUTO, *found], default=AUTO, advanced=True,
            tooltip=f"File of {words}. auto takes it from the model file; choose a file for models in several files, such as "
            "the released MIMO.",
        )  # fmt: skip
        return io.Schema(
            node_id="DuetLoadCharacterModel",
            display_name="Load Character Model",
            category="Duet/models",
            description="Loads a model that puts a character into a scene and a motion (MIMO), for KSampler with Encode "
            "Character Swap. Load its VAE and CLIP Vision with the stock nodes.",
            search_aliases=[
                "character model", "character swap", "swap character", "replace person", "animate character", "reference unet",
                "pose guider", "MIMO", "AnimateAnyone",
            ],
            inputs=[
                io.Combo.Input(
                    "model_name", options=found, default=SHIPPED if SHIPPED in found else None,
                    tooltip="Character model in one file, or denoising_unet of the released MIMO, in models/diffusion_models, "
                    "models/model_patches or models/animatediff_models.",
                ),
                part("reference_unet_name", "reference_unet, the network that reads the picture of the character"),
                part("pose_guider_name", "pose_guider, the network that reads the pictures of the body"),
                part("motion_module_name", "motion_module, the layers over time"),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The character model, for KSampler; a batch is one clip."),
                io.String.Output(
                    display_name="report",
                    tooltip="The contents of the files and how many frames a clip may have, for Preview as Text.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, model_name, reference_unet_name, pose_guider_name, motion_module_name) -> str:
        names = (model_name, reference_unet_name, pose_guider_name, motion_module_name)
        return " ".join(stamp(name, *FOLDERS) for name in names if name != AUTO)

    @classmethod
    def execute(cls, model_name, reference_unet_name, pose_guider_name, motion_module_name) -> io.NodeOutput:
        names = (model_name, reference_unet_name, pose_guider_name, motion_module_name)
        path = lambda name: None if name == AUTO else str(find_file(name, *FOLDERS))
        return io.NodeOutput(*open_character_model(tuple(map(path, names))))
