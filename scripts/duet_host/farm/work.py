"""What one server does with one job: it is asked for the job, followed to its end, and its files are fetched."""

import contextlib
import hashlib
import shutil
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

from .. import client, report
from ..errors import HostError
from .job import keep

POLL_SECONDS = 0.5
PATIENCE = 3  # so many unanswered questions in a row are a lost server
STARTS = 3  # a server that was started again gets the job again, but not for ever
ANSWER_SECONDS = 20
CHUNK = 1 << 20


class ServerLost(Exception):
    """A server that no longer answers."""


class JobFailed(Exception):
    """A job that a server refused or could not finish, in a sentence."""


def run_job(url, job, output):
    """Runs a job on a server and keeps what it made, unless it has been kept already; returns its record."""
    record = job.record(output)
    if record:
        return record
    began = time.monotonic()
    entry = finished(url, job)
    raise_failure(job, entry)
    record = {"server": url, "seconds": round(time.monotonic() - began, 2)}
    return keep(job, output, record, lambda folder: fetch_all(url, entry["outputs"], folder))


def finished(url, job):
    """Returns what the server remembers of the job's end; what the server has of the job already is not run again."""
    for _ in range(STARTS):
        if not is_known(url, job):
            queue(url, job)
        entry = follow(url, job)
        if entry:
            return entry
    raise JobFailed(
        f"The server was started again {STARTS} times while it ran this: it may need more memory than there is."
    )


def place_of(job, here, servers):
    """Returns the server that has the job already (its worker process has ended, ComfyUI has not), else this one."""
    for url in servers:
        with contextlib.suppress(ServerLost):
            if url != here and is_known(url, job):
                return url
    return here


def ask(url, path, body=None):
    """Returns a server's answer; asks again before it calls the server lost."""
    for attempt in range(PATIENCE):
        try:
            return client.request(f"{url}{path}", body, timeout=ANSWER_SECONDS)
        except HostError as error:
            if attempt == PATIENCE - 1:
                raise ServerLost(str(error)) from error
            time.sleep(POLL_SECONDS)


def is_known(url, job):
    """Tells whether the server has finished the job with success, or has it in its queue."""
    entry = history(url, job)
    if entry:
        return succeeded(entry)
    return is_queued(url, job)


def history(url, job):
    """Returns what the server remembers of the job's end, or None."""
    return ask(url, f"/history/{job.id}")[1].get(job.id)


def is_queued(url, job):
    """Tells whether the job waits or runs on the server."""
    queue = ask(url, "/queue")[1]
    return any(job.id in item for key in ("queue_running", "queue_pending") for item in queue.get(key, []))


def succeeded(entry):
    """Tells whether a job ended without an error."""
    return (entry.get("status") or {}).get("status_str") == "success"


def queue(url, job):
    """Hands the job to the server; a second copy of the same question is the same job."""
    status, answer = ask(url, "/prompt", {"prompt": job.prompt, "prompt_id": job.id})
    refusals = report.describe_refusals(job.prompt, answer.get("node_errors") or {})
    if status != 200 or refusals:
        said = refusals or [str((answer.get("error") or {}).get("message") or f"status {status}")]
        raise JobFailed("; ".join(said))


def follow(url, job):
    """Waits until the job has ended; returns what the server remembers of it, or None where it has forgotten the job."""
    while is_queued(url, job):
        time.sleep(POLL_SECONDS)
    return history(url, job)


def raise_failure(job, entry):
    """Raises the sentence of a job that did not end well."""
    if succeeded(entry):
        return
    ends = [(kind, data) for kind, data in (entry.get("status") or {}).get("messages", []) if kind != "execution_start"]
    kind, data = next(((kind, data) for kind, data in ends if "error" in kind or "interrupted" in kind), ("", {}))
    raise JobFailed(report.describe_error(job.prompt, {"type": kind, "message": "The workflow did not end.", **data}))


def fetch_all(url, outputs, folder):
    """Fetches every file that the job made; returns its path, size and checksum."""
    entries = {(entry.get("subfolder") or "", entry["filename"]): entry for _, entry in report.made_files(outputs)}
    return [fetch(url, entry, inside(folder, *place)) for place, entry in entries.items()]


def inside(folder, subfolder, name):
    """Returns where a file of a server goes; a server's answer names no place outside the folder."""
    path = (Path(folder) / subfolder / name).resolve()
    if not path.is_relative_to(Path(folder).resolve()):
        raise JobFailed(f"The server names the file {subfolder}/{name}, which is outside the job's folder.")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def fetch(url, entry, path):
    """Copies one file of a server to a path."""
    query = urlencode({key: entry.get(key, "") for key in ("filename", "subfolder", "type")})
    try:
        with urllib.request.urlopen(f"{url}/view?{query}", timeout=ANSWER_SECONDS) as reply, open(path, "wb") as file:
            shutil.copyfileobj(reply, file, CHUNK)
            announced = reply.headers.get("Content-Length")
    except OSError as error:
        raise ServerLost(f"{entry['filename']} did not arrive from {url}: {error}") from error
    if announced and path.stat().st_size != int(announced):
        raise ServerLost(f"{entry['filename']} arrived from {url} only in part.")
    return {
        "path": path.name,
        "subfolder": entry.get("subfolder") or "",
        "bytes": path.stat().st_size,
        "sha256": checksum(path),
    }


def checksum(path):
    """Returns the SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
