"""The command line: arguments, one line for every failure, an orderly end on Ctrl-C."""

import argparse
import signal
import sys

from . import commands
from .console import warn
from .errors import HostError


def build_parser():
    """Returns the parser of all subcommands."""
    parser = argparse.ArgumentParser(prog="host.py", description="Sets up ComfyUI with this pack and works with it.")
    parser.add_argument("--comfyui", metavar="PATH", help="the ComfyUI to use; also COMFYUI_PATH")
    sub = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name, run, text, passes_on=False):
        command = sub.add_parser(name, help=text, description=text, allow_abbrev=False)
        command.set_defaults(run=run, passes_on=passes_on)
        return command

    add("setup", commands.setup, "fetch ComfyUI and build the environment")
    serve = add(
        "serve", commands.serve, "start ComfyUI with this pack; further arguments go to ComfyUI", passes_on=True
    )
    serve.add_argument("--port", type=int, default=8188)
    serve.add_argument("--listen", default="127.0.0.1", metavar="ADDRESS")
    run = add("run", commands.run, "run a workflow, in UI or API format, and list the files it made")
    run.add_argument("workflow", metavar="WORKFLOW.json", help="with --servers also a folder of workflows")
    run.add_argument("--set", action="append", default=[], metavar="NODE.INPUT=VALUE", help="node: id, title or class")
    run.add_argument("--server", metavar="URL", help="use this running server instead of starting one")
    run.add_argument("--servers", nargs="+", metavar="URL", help="share the workflows among these running servers")
    run.add_argument(
        "--output", metavar="FOLDER", help="with --servers: a folder in it for each workflow (output/jobs)"
    )
    run.add_argument("--retries", type=int, default=1, metavar="N", help="with --servers: tries after a failed one (1)")
    add("demo", commands.demo, "set everything up and run the demonstration")
    test = add("test", commands.test, "run all checks and tests; further arguments go to pytest", passes_on=True)
    test.add_argument(
        "--install-browser",
        action="store_true",
        help="first install Chromium, which the browser tests need, where none is found (Debian, Ubuntu: apt-get)",
    )
    bench = add("bench", commands.bench, "run a benchmark")
    bench.add_argument("name", nargs="?", default="")
    bench.add_argument("arguments", nargs=argparse.REMAINDER)
    execute = add("exec", commands.execute, "run any command in the environment")
    execute.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    convert = add("convert", commands.convert, "convert a workflow between UI and API format")
    convert.add_argument("source", metavar="IN.json")
    convert.add_argument("target", metavar="OUT.json")
    convert.add_argument("--server", metavar="URL", help="ask this running server about the nodes")
    return parser


def parse(arguments):
    """Returns the parsed arguments; `extra` holds those that are passed on."""
    parser = build_parser()
    options, extra = parser.parse_known_args(arguments)
    if extra and not options.passes_on:
        parser.error(f"unrecognized arguments: {' '.join(extra)}")
    options.extra = extra
    return options


def _terminated(number, _frame):
    # An exception instead of the default end, so that servers and pip are ended on the way out.
    raise SystemExit(128 + number)


def main(arguments=None):
    """Runs one subcommand and returns the exit code."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        return options.run(options) or 0
    except HostError as error:
        warn(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        warn("Interrupted. The same command can be run again at any time.")
        return 130
    except BrokenPipeError:
        sys.stdout = None  # whoever read our output has gone
        return 1
    except OSError as error:  # a folder that cannot be written, a full disk
        warn(f"Error: {error}")
        return 1
