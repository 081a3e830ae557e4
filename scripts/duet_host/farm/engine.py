"""Hands jobs to servers by Dask, one worker process a server.

Dask and not Ray or Parsl: its scheduler sees at once that a worker's connection is closed and gives the worker's jobs to
others, without a waiting time; it runs on Linux, macOS and Windows and is installed by pip alone. Parsl's executor for
many machines has no Windows and waits for a missed heartbeat; Ray keeps results in a shared memory of its own on every
machine, which files on disk do not need. What Dask does not know is a ComfyUI that is gone while its worker lives: then
the worker is retired and the job is handed out again.
"""

import contextlib
import logging
import sys
from pathlib import Path

from ..console import say, warn
from ..errors import HostError
from ..server import answers
from .work import JobFailed, ServerLost, place_of, run_job

ALLOWED = "distributed.scheduler.allowed-failures"  # of workers; those of jobs are counted by the farm


def alive(servers):
    """Returns the servers that answer, without doubles, and names the others."""
    servers = list(dict.fromkeys(url.rstrip("/") for url in servers))
    there = [url for url in servers if answers(url, timeout=10)]
    for url in set(servers) - set(there):
        warn(f"No ComfyUI answers at {url}; it is left out.")
    if not there:
        raise HostError("None of the servers answers. Start ComfyUI on them, with --listen if they are other machines.")
    return there


@contextlib.contextmanager
def dask(servers):
    """Yields a Dask client with one worker process for each server, named by its address."""
    try:
        import dask
        from distributed import Client, Nanny, Scheduler, SpecCluster
    except ImportError as error:
        raise HostError("Several servers need Dask: python3 -m pip install distributed.") from error
    logging.getLogger("distributed").setLevel(logging.ERROR)
    scheduler = {
        "cls": Scheduler,
        "options": {"host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": ":0"},
    }
    options = {"nthreads": 1, "memory_limit": None, "host": "127.0.0.1", "silence_logs": logging.ERROR}
    workers = {url: {"cls": Nanny, "options": {**options, "name": url}} for url in servers}
    with (
        dask.config.set({ALLOWED: 1000}),
        found_by_workers(),
        SpecCluster(workers=workers, scheduler=scheduler) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(len(servers))
        yield client


@contextlib.contextmanager
def found_by_workers():
    """Has the folder of this package in the list of folders that worker processes get."""
    folder = str(Path(__file__).resolve().parents[2])
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def run_here(job, output, servers):
    """Runs a job on the server that this worker is named after, or follows it on the one that has it already."""
    from distributed import get_worker

    url = place_of(job, get_worker().name, servers)
    try:
        return "done", url, run_job(url, job, output)
    except ServerLost as error:
        return "lost", url, str(error)
    except JobFailed as error:
        return "failed", url, str(error)


class Farm:
    """Jobs on their way through the servers: which wait, which are done, which failed."""

    def __init__(self, client, servers, jobs, output, retries):
        self.client, self.output, self.retries = client, str(output), retries
        self.servers, self.jobs = list(servers), {job.name: job for job in jobs}
        self.failures = dict.fromkeys(self.jobs, 0)
        self.tries = dict.fromkeys(self.jobs, 0)
        self.names, self.done, self.failed = {}, {}, {}

    def run(self):
        """Runs all jobs that are not done; returns the sentence of each that failed."""
        from distributed import as_completed

        for job in self.jobs.values():
            record = job.record(self.output)
            if record:
                self.done[job.name] = record
        if self.done:
            say(f"{len(self.done)} of {len(self.jobs)} were done already.")
        running = as_completed([self.submit(name) for name in self.jobs if name not in self.done])
        for future in running:
            again = self.take(self.names[future.key], *future.result())
            if again:
                running.add(again)
            if not self.servers:
                break
        left = self.jobs.keys() - self.done.keys() - self.failed.keys()
        self.failed |= dict.fromkeys(sorted(left), "No server is left.")
        return self.failed

    def submit(self, name, avoid=None):
        """Hands a job out, to another server than the one to avoid where there is one."""
        self.tries[name] += 1
        others = [url for url in self.servers if url != avoid]
        # Without a list of workers Dask keeps the job back until one is free, so that no server has a queue of its own.
        chosen = {"workers": others} if avoid and others else {}
        key = ("job", f"{name}, try {self.tries[name]}")
        future = self.client.submit(run_here, self.jobs[name], self.output, tuple(self.servers), key=key, **chosen)
        self.names[future.key] = name
        return future

    def take(self, name, kind, url, what):
        """Notes what became of a job; returns it handed out again where it needs another try."""
        if kind == "done":
            self.done[name] = what
            say(f"{len(self.done)} of {len(self.jobs)}: {name}, {what['seconds']:.0f} s on {what['server']}")
            return None
        if kind == "lost":
            self.leave(url, what)
            if self.servers:
                return self.submit(name)
            what = "No server is left."
        else:
            self.failures[name] += 1
            if self.failures[name] <= self.retries:
                return self.submit(name, avoid=url)
        self.failed[name] = what
        return None

    def leave(self, url, reason):
        """Takes a server that is gone out of the farm."""
        if url in self.servers:
            warn(f"{url} is gone ({reason}). Its job goes to another server.")
            self.servers.remove(url)
            self.client.retire_workers(names=[url], close_workers=True)
