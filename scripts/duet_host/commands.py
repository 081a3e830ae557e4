"""The subcommands: each takes the parsed arguments and returns an exit code."""

import sys
from pathlib import Path

from . import checks, jobs
from .browser import install_browser
from .console import say, warn
from .environment import ensure_environment
from .errors import HostError
from .host_source import find_host
from .locations import OUTPUT, REPO, display_path, state_folder
from .missing import not_run, say_in_a_line
from .processes import call
from .server import check_port, running_server

DEMO_WORKFLOW = REPO / "workflows" / "api" / "joint_dance.json"


def ready(options):
    """Returns the environment, built and with its host in place."""
    host, own = find_host(options.comfyui)
    return ensure_environment(host, own)


def setup(options):
    """Fetches and builds what is missing."""
    environment = ready(options)
    say(f"Ready. ComfyUI: {environment.host}  Environment: {environment.folder}")


def serve(options):
    """Runs a server in the foreground until it ends or is interrupted."""
    check_port(options.port, options.listen)
    environment = ready(options)
    with start(environment, port=options.port, listen=options.listen, extra=options.extra) as server:
        say(f"ComfyUI is ready: {server.url}  (Ctrl-C ends it, its log is {display_path(server.log)})")
        code = server.process.wait()
        warn(f"ComfyUI ended with exit code {code}. The end of its log:\n{server.last_lines()}")
    return 1


def start(environment, **options):
    """Starts a server in an environment, with this clone's state."""
    host, python = environment.host, environment.python
    return running_server(host, python, state_folder(), own_host=environment.own_host, **options)


def run(options):
    """Runs a workflow on a server of its own, on one that runs already, or many on several."""
    if options.servers:
        return run_on_servers(options)
    prompt = jobs.load(options.workflow)
    settings = [jobs.parse_setting(text) for text in options.set]
    environment = ready(options)
    if not environment.active:
        return inside(environment)
    if options.server:
        return jobs.run(options.server.rstrip("/"), prompt, settings)
    with start(environment) as server:
        return jobs.run(server.url, prompt, settings, server)


def run_on_servers(options):
    """Shares a folder of workflows, or a single one, among several servers."""
    if not Path(options.workflow).exists():
        raise HostError(f"There is no workflow file or folder {options.workflow}.")
    settings = [jobs.parse_setting(text) for text in options.set]
    environment = ready(options)
    if not environment.active:
        return inside(environment)
    from .farm.run import run as run_farm

    output = Path(options.output) if options.output else OUTPUT / "jobs"
    return run_farm(options.workflow, options.servers, settings, output, options.retries)


def demo(options):
    """Runs the demonstration and says which file to open first."""
    prompt = jobs.load(DEMO_WORKFLOW)
    environment = ready(options)
    if not environment.active:
        return inside(environment)
    with start(environment) as server:
        return jobs.run(server.url, prompt, [], server, point_out=True)


def convert(options):
    """Converts a workflow to the other format."""
    workflow = jobs.load(options.source)
    if options.server:
        jobs.convert(options.server.rstrip("/"), workflow, Path(options.target))
        return
    with start(ready(options)) as server:
        jobs.convert(server.url, workflow, Path(options.target))


def test(options):
    """Says what cannot be run here, then runs every check and test in the environment."""
    if options.install_browser:
        install_browser()
    missing = not_run()
    say(say_in_a_line(missing))
    return checks.run_all(ready(options), options.extra, missing)


def bench(options):
    """Runs one benchmark in the environment."""
    folder = REPO / "benchmarks"
    names = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    if options.name not in names:
        raise HostError(f"There is no benchmark {options.name!r}. There are: {', '.join(names) or 'none yet'}.")
    environment = ready(options)
    command = [environment.python, folder / f"{options.name}.py", *options.arguments]
    return call(command, environment.variables())


def execute(options):
    """Runs any command in the environment."""
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    if not words:
        raise HostError("exec needs a command, for example: exec python -c 'import torch; print(torch.__version__)'")
    return call(words, ready(options).variables())


def inside(environment):
    """Runs this same command with the environment's Python, which has what the websocket needs."""
    command = [environment.python, REPO / "scripts" / "host.py", *sys.argv[1:]]
    return call(command, environment.variables())
