"""The settings of a run: one JSON file that reproduces it. Standard library only, for the host reads this too."""

import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

from .limits import BETA, LOSSES, MODEL, REAL, WHOLE, check_names, check_number, check_part, check_value

PRECISIONS = ("fp32", "bf16", "fp16")
RECIPES = (
    "vae",
    "idol_haop",
    "idol_image",
    "idol_video",
    "one_shot",
    "depth_words",
    "lfae",
    "lfdm",
    "mimo",
    "wan_pair",
)
TRAINS = ("all", "adapters", "lora")
SHARDINGS = ("none", "full")
# Files and folders in data and model.
PATHS = ("path", "vae", "init", "controlnet", "clip", "text", "kept", "codec", "vgg", "vectors", "text_encoder")
DECAYED = ("all", "matrices")


@dataclass(frozen=True)
class RunSettings:
    recipe: str
    data: dict  # see data/: {"kind": "stage", ...} or {"kind": "folder", "path": ...}
    folder: str  # where the run writes; a relative one lies beside the JSON file
    model: dict = field(default_factory=dict)  # what the recipe starts from: its own names
    losses: dict = field(default_factory=dict)  # weights and readings of the loss terms: the recipe's own names
    trains: str = "all"
    lora_rank: int = 16
    steps: int = 1000
    batch: int = 8  # of one process; the whole batch is batch x accumulate x processes
    accumulate: int = 1
    lr: float = 1e-4
    warmup: int = 100  # steps of linear rise
    decay: str = "cosine"  # cosine, linear or none, down to lr x lr_floor
    lr_floor: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    weight_decay: float = 1e-3
    decayed: str = "all"  # what weight_decay acts on; matrices: no norms, biases and labels
    stratified: bool = False  # whether the steps of an update's examples lie in equal parts of the schedule
    clip: float = 1.0  # largest norm of the gradient, 0 for any
    ema: float = 0.0  # 0 keeps no average
    precision: str = "fp32"
    gradient_checkpointing: bool = False
    seed: int = 0
    device: str = "auto"  # auto or cpu
    threads: int = 0  # 0 leaves it to torch
    workers: int = 0  # processes that read data beside the training
    checkpoint_every: int = 500
    keep: int = 3
    sample_every: int = 500  # 0 draws none
    validate_every: int = 0  # steps between two measurements of the loss on held-out clips; 0 delivers the last weights
    validation: dict = field(default_factory=dict)  # their data; empty takes the stage's own seeds
    sharding: str = "none"  # full: each process holds a share of what trains; alone, a process holds it all

    def __post_init__(self):
        choices = {"recipe": RECIPES, "precision": PRECISIONS, "trains": TRAINS, "decay": ("cosine", "linear", "none"),
                   "device": ("auto", "cpu"), "sharding": SHARDINGS, "decayed": DECAYED}  # fmt: skip
        for name, options in choices.items():
            if getattr(self, name) not in options:
                raise ValueError(f"{name} is one of {', '.join(options)}, not {getattr(self, name)!r}.")
        for limits, whole in ((WHOLE, True), (REAL, False)):
            for name, (low, high) in limits.items():
                check_number(name, getattr(self, name), low, high, whole)
        if not isinstance(self.betas, (list, tuple)) or len(self.betas) != 2:
            raise ValueError(f"betas is a list of two numbers, such as [0.9, 0.98], not {self.betas!r}.")
        for beta in self.betas:
            check_number("betas", beta, *BETA, whole=False)
        for name in ("gradient_checkpointing", "stratified"):
            check_value(name, getattr(self, name), bool)
        check_part("model", self.model, self.recipe, MODEL)
        check_part("losses", self.losses, self.recipe, LOSSES)
        self.check_validation()
        if not isinstance(self.data, dict) or "kind" not in self.data:
            raise ValueError('data needs a kind, such as {"kind": "stage"}.')

    def check_validation(self) -> None:
        """Refuses a validation that would measure nothing."""
        check_value("validation", self.validation, dict)
        if self.validation and not self.validate_every:
            raise ValueError("validation is not used while validate_every is 0: set it to some steps, such as 100.")
        if self.validate_every and self.recipe == "one_shot":
            raise ValueError(
                "The recipe one_shot trains on one clip and has no other to validate: set validate_every to 0."
            )

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "RunSettings":
        """Read settings; an unknown name is refused, since ignoring it would train something else."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"The run settings are no JSON: {error}. Check the file for a missing comma.") from error
        if not isinstance(values, dict):
            raise ValueError(f"Run settings are names with values, not {type(values).__name__}.")
        names = {f.name for f in fields(cls)}
        check_names("Duet Training", values, names)
        missing = sorted({"recipe", "data", "folder"} - set(values))
        if missing:
            raise ValueError(f"Duet Training needs {', '.join(missing)}: check the names of the run settings.")
        return cls(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})

    @classmethod
    def from_file(cls, path: Path) -> "RunSettings":
        """The settings of a run file; relative paths in it start beside it and are made absolute."""
        settings = cls.from_json(Path(path).read_text(encoding="utf-8"))
        beside = lambda value: str((Path(path).parent / value).resolve())
        placed = lambda values: {
            k: beside(v) if k in PATHS and isinstance(v, str) and v else v for k, v in values.items()
        }
        return replace(
            settings, folder=beside(settings.folder), data=placed(settings.data), model=placed(settings.model),
            validation=placed(settings.validation),
        )  # fmt: skip

    def rate_at(self, step: int) -> float:
        """The learning rate of a step: linear rise, then the decay."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        if self.decay == "none":
            return self.lr
        done = min((step - self.warmup) / max(self.steps - self.warmup, 1), 1.0)
        fall = 0.5 * (1 + math.cos(math.pi * done)) if self.decay == "cosine" else 1 - done
        return self.lr * (self.lr_floor + (1 - self.lr_floor) * fall)
