"""A ComfyUI server as a child process that never outlives its parent."""

import atexit
import contextlib
import functools
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from .console import Progress
from .errors import HostError
from .locations import OUTPUT, REPO
from .processes import end, spawn
from .state import models_of, prepare_state, scratch_folder

GUARD = Path(__file__).with_name("guard.py")
START_SECONDS = 180
LAST_LINES = 20
ASK_DEVICE = "import torch; print(torch.cuda.is_available() or torch.backends.mps.is_available())"


@dataclass
class Server:
    """A server that answers: where, its process, its log and where it leaves its files."""

    url: str
    port: int
    process: subprocess.Popen
    log: Path
    output: Path

    def last_lines(self):
        """Returns the end of the log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:])


@functools.cache
def has_accelerator(python):
    """Asks the environment's torch once whether there is a GPU."""
    answer = subprocess.run([python, "-c", ASK_DEVICE], capture_output=True, text=True, check=False)
    return answer.stdout.strip() == "True"


@functools.cache
def compile_packs(python):
    """Compiles what ComfyUI reads at its start, so that a clone's first start is as quick as every later one."""
    training = REPO / "training"
    folders = [REPO / "__init__.py", REPO / "nodes", training / "__init__.py", training / "page"]
    subprocess.run([python, "-m", "compileall", "-qq", *map(str, folders)], capture_output=True, check=False)


def free_port():
    """Returns a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def check_port(port, listen="127.0.0.1"):
    """Refuses a port that something listens on already."""
    family = socket.AF_INET6 if ":" in listen else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name != "nt":  # there this option would allow two listeners
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((listen, port))
        except (OSError, OverflowError) as error:
            raise HostError(
                f"Port {port} on {listen} cannot be used ({error}). Choose another one with --port."
            ) from error


def server_arguments(host, python, state, port, listen, output, own_host, passing, extra):
    """Returns the arguments for the host's main.py; a passing server keeps no settings."""
    scratch = scratch_folder(state, port)
    arguments = ["--base-directory", state, "--temp-directory", scratch, "--output-directory", output]
    arguments += ["--user-directory", scratch / "user" if passing else state / "user"]
    arguments += ["--port", port, "--listen", listen, "--disable-auto-launch", "--database-url", "sqlite:///:memory:"]
    if own_host:
        arguments += ["--extra-model-paths-config", models_of(host, state)]
    if "--cpu" not in extra and not has_accelerator(str(python)):
        arguments.append("--cpu")
    return [str(argument) for argument in (*arguments, *extra)]


@contextlib.contextmanager
def running_server(
    host,
    python,
    state,
    port=None,
    *,
    listen="127.0.0.1",
    log=None,
    output=None,
    own_host=False,
    extra=(),
    quiet=False,
    packs=None,
):
    """Starts a server, yields it once it answers, ends it and its children afterwards; `packs` replaces this repository's."""
    passing = port is None
    if passing:
        port = free_port()
    check_port(port, listen)
    state, output = Path(state), Path(output or OUTPUT)
    log = Path(log or state / f"server-{port}.log")
    prepare_state(state, packs)
    compile_packs(str(python))
    output.mkdir(parents=True, exist_ok=True)
    arguments = server_arguments(host, python, state, port, listen, output, own_host, passing, extra)
    command = [python, "-u", GUARD, os.getpid(), Path(host) / "main.py", *arguments]
    with open(log, "wb") as sink:
        process = spawn(command, cwd=host, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT)
    ending = functools.partial(end, process)
    atexit.register(ending)
    server = Server(f"http://{_reachable(listen)}:{port}", port, process, log, output)
    try:
        _wait_until_ready(server, quiet)
        yield server
    finally:
        end(process)
        atexit.unregister(ending)
        shutil.rmtree(state / "servers" / str(port), ignore_errors=True)


def _reachable(listen):
    """Returns the address under which this machine reaches a server that listens on `listen`."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen, listen)
    return f"[{address}]" if ":" in address else address


def answers(url, timeout=2.0):
    """Tells whether a ComfyUI answers at an address."""
    try:
        with urllib.request.urlopen(f"{url}/system_stats", timeout=timeout) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


def _wait_until_ready(server, quiet):
    deadline = time.monotonic() + START_SECONDS
    with Progress("Starting ComfyUI") if not quiet else contextlib.nullcontext() as progress:
        while not answers(server.url):
            if server.process.poll() is not None:
                raise HostError(f"ComfyUI ended while starting. The end of {server.log}:\n{server.last_lines()}")
            if time.monotonic() > deadline:
                raise HostError(
                    f"ComfyUI did not answer within {START_SECONDS} s. The end of {server.log}:\n{server.last_lines()}"
                )
            time.sleep(0.2)
            if progress:
                progress.update()
