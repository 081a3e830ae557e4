"""The nodes that start a training run, resume it and plot its loss."""

import json
from importlib.util import find_spec
from pathlib import Path

from comfy_api.latest import ComfyExtension, io, ui

from . import host, setup_nodes
from .deliver import deliver
from .process import Progress, progress_of, training
from .settings import RunSettings
from .setup_nodes import TrainingData, TrainingSettings
from .start import begin, entries, existing_run, is_finished, run_folder, stored

NEEDED = ("accelerate", "safetensors")
NAME = io.String.Input(
    "run_name",
    default="my_run",
    tooltip="Name of the run: of its folder in output/duet_training and of the model file that it writes.",
)
OUTPUTS = [
    io.String.Output(
        display_name="model_path", tooltip="Path of the model file, in the folder where the loaders list it."
    ),
    io.Image.Output(
        display_name="sample",
        tooltip="The newest sample: training data in the upper row, output of the model in the lower.",
    ),
    io.String.Output(display_name="report", tooltip="Steps, loss, speed and the files that were written."),
    io.String.Output(display_name="run_name", tooltip="Name of the run, for Plot Training Loss."),
]


class DuetTrainingExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [*setup_nodes.NODES, *NODES]


class Train(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetTrainModel",
            display_name="Train Model",
            category="Duet Training",
            description="Trains a model in a process of its own and shows the loss, the time left and the newest sample. Cancel "
            "saves a checkpoint; press Run again, or use Resume Training, to continue. The finished model is copied to the "
            "models folder, where the loaders list it after pressing R.",
            search_aliases=[
                "training",
                "train video",
                "train video model",
                "finetune",
                "fine-tune",
                "train a model",
                "train IDOL",
                "trainer",
                "tune on my clip",
            ],
            inputs=[
                TrainingData.Input("training_data", tooltip="The clips to train on, from Training Data."),
                TrainingSettings.Input("training_settings", tooltip="How to train, from Training Settings."),
                NAME,
            ],
            outputs=OUTPUTS,
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, run_name, **_) -> str:
        return last_change(run_name)

    @classmethod
    def execute(cls, training_data, training_settings, run_name) -> io.NodeOutput:
        folder = run_folder(host.runs_folder(), run_name)
        settings = training_settings["settings"] | {"data": training_data, "folder": "."}
        begin(folder, RunSettings.from_json(json.dumps(settings)), training_settings["processes"])
        return train(folder, cls)


class ResumeTraining(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetResumeTraining",
            display_name="Resume Training",
            category="Duet Training",
            description="Continues a run from its newest checkpoint with its original settings. The result has the same weights "
            "as a run that was never interrupted.",
            search_aliases=["continue training", "restart training", "resume run", "checkpoint"],
            inputs=[NAME],
            outputs=OUTPUTS,
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, run_name) -> str:
        return last_change(run_name)

    @classmethod
    def execute(cls, run_name) -> io.NodeOutput:
        folder = existing_run(host.runs_folder(), run_name)
        begin(folder, *stored(folder))
        return train(folder, cls)


class PlotTraining(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetPlotTraining",
            display_name="Plot Training Loss",
            category="Duet Training",
            description="Draws every term of the loss over the steps of a run, up to its newest checkpoint, also while the run is in "
            "progress.",
            search_aliases=["loss curve", "training curve", "tensorboard", "training log"],
            inputs=[NAME],
            outputs=[
                io.Image.Output(display_name="loss_curve", tooltip="The terms of the loss, on a logarithmic scale."),
                io.String.Output(display_name="report", tooltip="The last line of the log, and the speed."),
            ],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, run_name) -> str:
        return last_change(run_name)

    @classmethod
    def execute(cls, run_name) -> io.NodeOutput:
        folder = existing_run(host.runs_folder(), run_name)
        if not (folder / "curve.png").is_file():
            raise ValueError(f"The run {run_name} has no curve yet: it is drawn with the first checkpoint.")
        curve, text = host.picture(folder / "curve.png"), last_numbers(folder)
        return io.NodeOutput(curve, text, ui=shown(curve, text, cls))


def train(folder: Path, cls: type[io.ComfyNode]) -> io.NodeOutput:
    """Run a folder's training to its end, unless it is there already, and output its results."""
    settings, processes = stored(folder)
    if not is_finished(folder, settings):
        check_packages()
        host.free_memory()
        reporter = host.Reporter(settings.steps, cls.hidden.unique_id)
        with training(folder, settings.steps, processes) as process:
            for state in process.follow():
                reporter.show(state)
    delivered = deliver(folder, folder.name, host.models_folder)
    state = progress_of(folder, settings.steps)
    sample, text = host.picture(state.sample), report(folder.name, state, delivered, entries(folder))
    return io.NodeOutput(str(delivered[0]), sample, text, folder.name, ui=shown(sample, text, cls))


def check_packages() -> None:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        here = Path(__file__).parents[1] / "requirements.txt"
        raise ValueError(f"Training needs {' and '.join(missing)}: run pip install -r {here} and restart ComfyUI.")


def report(name: str, state: Progress, files: list[Path], found: list[dict]) -> str:
    """What a finished run did, from its progress and its log."""
    listed = ", ".join(f"{file.parent.name}/{file.name}" for file in files)
    best = next((entry["best"] for entry in reversed(found) if isinstance(entry.get("best"), dict)), None)
    chosen = f"The model is that of step {best['step']}, the best on the validation clips. " if best else ""
    speed = f"The last loss is {state.loss:.4g}, a step took {state.seconds:.3g} s. " if state.loss is not None else ""
    return f"The run {name} is finished: {state.step} of {state.total} steps. {speed}{chosen}It wrote {listed}: press R to see it in the lists."


def last_numbers(folder: Path) -> str:
    """The newest entry of the log, a number a line."""
    settings, _ = stored(folder)
    steps = [entry for entry in entries(folder) if "loss" in entry]
    named = [f"{name}: {value:.6g}" for name, value in steps[-1].items()] if steps else []
    return "\n".join([progress_of(folder, settings.steps).text, *named])


def shown(picture, text: str, cls: type[io.ComfyNode]) -> dict:
    return {**ui.PreviewImage(picture, cls=cls).as_dict(), "text": (text,)}


def last_change(name: str) -> str:
    """Changes with the log of a run, so that the host runs the node again."""
    log = run_folder(host.runs_folder(), name) / "log.jsonl"
    return str(log.stat().st_mtime_ns) if log.is_file() else ""


NODES = [Train, ResumeTraining, PlotTraining]
