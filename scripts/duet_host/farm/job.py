"""A workflow to run once, known by its content, and the folder that tells whether it has been run."""

import json
import os
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from .. import client, jobs, workflow
from ..errors import HostError

NAMESPACE = uuid.UUID("b6f0c8a2-5a5e-4d4e-9d5b-3d0f6d8b7c11")
RECORD = "job.json"


@dataclass(frozen=True)
class Job:
    """One workflow in API format; the same name and content are the same job in every run of the command."""

    name: str
    prompt: dict

    @property
    def id(self):
        """The id of its prompt, by which a server is asked whether it knows the job already."""
        content = json.dumps(self.prompt, sort_keys=True, ensure_ascii=False)
        return str(uuid.uuid5(NAMESPACE, f"{self.name}\n{content}"))

    def record(self, output):
        """Returns what was noted of it when it was finished, or None."""
        try:
            record = json.loads((Path(output) / self.name / RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) and record.get("id") == self.id else None


def read_jobs(source, settings, url):
    """Returns the jobs of a workflow file or of a folder of them; `url` is a server that knows the nodes."""
    source = Path(source)
    paths = sorted(source.glob("*.json")) if source.is_dir() else [source]
    if not paths:
        raise HostError(f"There is no workflow (*.json) in the folder {source}.")
    loaded = {path.stem: jobs.load(path) for path in paths}
    ask = settings or any(workflow.format_of(data) == "ui" for data in loaded.values())
    info = client.object_info(url) if ask else None
    return [Job(name, to_prompt(data, settings, info)) for name, data in loaded.items()]


def to_prompt(data, settings, info):
    """Returns a workflow in API format with some inputs set."""
    prompt = workflow.ui_to_api(data, info) if workflow.format_of(data) == "ui" else data
    for name, value in settings:
        workflow.set_input(prompt, name, value, info)
    return prompt


def keep(job, output, record, fetch):
    """Fills the job's folder at once: whoever reads it finds all files of a finished job, or none."""
    target = Path(output) / job.name
    part = target.with_name(f".{job.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        record = {**record, "id": job.id, "name": job.name, "files": fetch(part)}
        (part / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)  # an older version of the workflow
        part.replace(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return record
