"""The files of a character model (MIMO)."""

from comfy_api.latest import io

from ..host.files.folders import PICKLED, SAFE, find_file, list_files, stamp

FOLDERS = ("diffusion_models", "model_patches", "animatediff_models")
ENDINGS = SAFE + PICKLED  # of a .pth only its tensors are read
IN_MODEL = "in the model file"


def open_character_model(paths: tuple, disable_dynamic: bool = False) -> tuple:
    """The MODEL in up to four files and the text of what was found; the host calls this again for a fresh copy."""
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
        found = list_files(*FOLDERS, endings=ENDINGS)
        part = lambda name, words: io.Combo.Input(
            name, options=[IN_MODEL, *found], default=IN_MODEL,
            tooltip=f"{words}, where it is a file of its own; a file that Save Video Model wrote holds everything.",
        )  # fmt: skip
        return io.Schema(
            node_id="DuetLoadCharacterModel",
            display_name="Load Character Model",
            category="Duet/loaders",
            description="Opens a model that puts a character into a scene and a motion (MIMO) as a MODEL for KSampler "
            "and every other node of ComfyUI. Its VAE and CLIP Vision are loaded with the stock nodes.",
            search_aliases=["MIMO", "AnimateAnyone", "character swap", "reference unet", "pose guider", "animate"],
            inputs=[
                io.Combo.Input(
                    "model_name", options=found,
                    tooltip="denoising_unet, or a whole character model, in models/diffusion_models, models/model_patches "
                    "or models/animatediff_models.",
                ),
                part("reference_name", "reference_unet, the network that reads the picture of the character"),
                part("pose_guider_name", "pose_guider, the network that reads the pictures of the motion"),
                part("motion_module_name", "motion_module, the layers over time"),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The model: a batch is one clip."),
                io.String.Output(
                    display_name="report", tooltip="What the files hold and how they were read, for Preview as Text.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, model_name, reference_name, pose_guider_name, motion_module_name) -> str:
        names = (model_name, reference_name, pose_guider_name, motion_module_name)
        return " ".join(stamp(name, *FOLDERS, endings=ENDINGS) for name in names if name != IN_MODEL)

    @classmethod
    def execute(cls, model_name, reference_name, pose_guider_name, motion_module_name) -> io.NodeOutput:
        names = (model_name, reference_name, pose_guider_name, motion_module_name)
        path = lambda name: None if name == IN_MODEL else str(find_file(name, *FOLDERS, endings=ENDINGS))
        return io.NodeOutput(*open_character_model(tuple(map(path, names))))
