"""The command: a workflow or a folder of them over several servers."""

from .. import client
from ..console import say, warn
from .engine import Farm, alive, dask
from .job import read_jobs


def run(source, servers, settings, output, retries):
    """Runs every job once, keeps its files in a folder of its own, and returns the exit code."""
    servers = alive(servers)
    jobs = read_jobs(source, settings, servers[0])
    output.mkdir(parents=True, exist_ok=True)
    with dask(servers) as engine:
        farm = Farm(engine, servers, jobs, output, retries)
        try:
            failed = farm.run()
        except KeyboardInterrupt:
            stop(farm)
            raise
    for name, why in failed.items():
        warn(f"Error: {name}: {why}")
    say(f"{len(farm.done)} of {len(jobs)} jobs are done; their files are in {output}.")
    if failed:
        say("The same command again runs only those that are not done.")
    return 1 if failed else 0


def stop(farm):
    """Ends the jobs that still run on the servers."""
    for job in farm.jobs.values():
        if job.name not in farm.done:
            for url in farm.servers:
                client.interrupt(url, job.id)
