"""LoRAs on video models, in every form that trainers save."""

from comfy_api.latest import io

from ..host.files.folders import TENSORS_ONLY, find_file, list_files, stamp

FOLDER = "loras"
WORDS = ("lora_te", "text_encoder", "te_", "text_model", "base_model.model.text_model")  # how text encoders begin
SCALES = ("scale_weight", "weight_scale", "scale_input", "input_scale", ".scaled_fp8")
PARTS = ((".lora_up", ".lora_down"), (".lora_B", ".lora_A"), ("lora.up.", "lora.down."), ("layer.up.", "layer.down."))
HALVES = [*PARTS, *(pair[::-1] for pair in PARTS)]


def with_lora(model, path, strength: float):
    """The MODEL with the LoRA of a file in it, and what of the file fits."""
    from ...models.files.family import kind_of, wrong_family
    from ...models.files.reading import read_weights
    from ..host.unet.lora import add_lora

    file = read_weights(path)
    kind = kind_of(file)
    if kind not in ("lora", None):
        raise wrong_family(file, kind, "a LoRA")
    state = {name: sound(file.name, name, file.read(name)) for name in file.shapes}
    check_halves(file.name, state)
    try:
        model, changed, left = add_lora(model, state, strength)
    except ValueError as error:
        raise ValueError(f"{file.name} cannot be used here. {error}") from error
    except KeyError as error:
        raise ValueError(
            f"{file.name} lacks the tensor {error.args[0]}, without which another one of it has no meaning: it was cut off "
            "or saved wrongly. Download it again, or choose another LoRA."
        ) from error
    return model, summary(len(state), changed, left)


def sound(file: str, name: str, value):
    """A tensor of a LoRA as finite floating numbers; only alpha, one number, may be whole."""
    scale = value.numel() == 1 and name.endswith("alpha")
    if not value.is_floating_point() and not scale:
        raise ValueError(
            f"{file} stores {name} as {str(value.dtype).removeprefix('torch.')}, but a LoRA is floating numbers: the file "
            "is damaged or quantised. Use one in fp16, bf16 or fp32."
        )
    if name.endswith(SCALES):
        raise ValueError(
            f"{file} is quantised: {name} scales another tensor, which this node does not do. Use a LoRA in fp16, bf16 or "
            "fp32."
        )
    value = value.half() if value.is_floating_point() and value.element_size() == 1 else value
    if not value.float().isfinite().all():
        raise ValueError(
            f"{file} has NaN or infinite numbers in {name}: its pictures would be black. "
            "Download it again, or choose another LoRA."
        )
    return value


def check_halves(file: str, state: dict) -> None:
    """Each half of a LoRA, up or down, needs the other one."""
    for one, other in HALVES:
        for name in state:
            partner = name.replace(one, other)
            if one in name and partner not in state:
                raise ValueError(
                    f"{file} has {name} without {partner}, one half of a LoRA: it was cut off or saved wrongly. Download "
                    "it again, or choose another LoRA."
                )


def summary(count: int, changed: int, left: list[str]) -> str:
    """What of a LoRA fits, in a sentence or three."""
    words = [name for name in left if name.startswith(WORDS)]
    rest = [name for name in left if not name.startswith(WORDS)]
    text = f"LoRA: {count - len(left)} of {count} tensors fit and change {changed} weights of the model."
    if words:
        text += f" Left aside: {len(words)} of the text encoder, which this node does not change."
    if rest:
        text += f" {len(rest)} fit nothing in this model, such as {', '.join(rest[:2])}."
    return text


class LoadVideoLora(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadVideoLora",
            display_name="Load Video LoRA",
            category="Duet/models",
            description="Adds a LoRA to a video model, also one in the form of diffusers or PEFT, which the stock node "
            "leaves out. The report says how much of the file fits.",
            search_aliases=[
                "LoRA", "load lora", "video lora", "motion LoRA", "diffusers LoRA", "PEFT", "style", "LoraLoaderModelOnly",
            ],
            inputs=[
                io.Model.Input(
                    "model", tooltip="A model from Load Video Model or Load Motion Module. Several LoRAs can follow each "
                    "other.",
                ),
                io.Combo.Input(
                    "lora_name", options=list_files(FOLDER), tooltip=f"A LoRA in models/loras. {TENSORS_ONLY}",
                ),
                io.Float.Input(
                    "strength_model", default=1.0, min=-100.0, max=100.0, step=0.01,
                    tooltip="Strength of the LoRA: 1 is what it was trained for, 0 has no effect, a negative number does "
                    "the opposite. Lower it when the pictures break up.",
                ),
            ],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The model with the LoRA, for KSampler."),
                io.String.Output(
                    display_name="report", tooltip="How much of the file fits this model, for Preview as Text.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def fingerprint_inputs(cls, model, lora_name, strength_model) -> str:
        return stamp(lora_name, FOLDER)

    @classmethod
    def execute(cls, model, lora_name, strength_model) -> io.NodeOutput:
        return io.NodeOutput(*with_lora(model, find_file(lora_name, FOLDER), strength_model))
