"""Loads a workflow, runs it on a server and tells what came of it."""

import json
import os
from pathlib import Path

from . import client, report, workflow
from .console import say, warn
from .errors import HostError
from .locations import OUTPUT


def load(path):
    """Reads a workflow file in either format."""
    path = Path(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise HostError(f"There is no workflow file {path}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(f"{path} cannot be read: {error}.") from error
    except json.JSONDecodeError as error:
        raise HostError(f"{path} is no JSON: {error.msg} in line {error.lineno}, column {error.colno}.") from error
    if workflow.format_of(data) is None:
        raise HostError(
            f"{path} is no workflow: it is neither in UI format (nodes and links) nor in API format (class_type)."
        )
    return data


def parse_setting(text):
    """Splits `node.input=value`; the value is JSON, or else a text."""
    name, equals, value = text.partition("=")
    if not equals or "." not in name:
        raise HostError(f"--set {text!r} is not of the form node.input=value.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def run(url, data, settings, server=None, point_out=False):
    """Runs a workflow in either format, prints what it made and returns the exit code."""
    info = client.object_info(url) if settings or workflow.format_of(data) == "ui" else None
    prompt = workflow.ui_to_api(data, info) if workflow.format_of(data) == "ui" else data
    for name, value in settings:
        workflow.set_input(prompt, name, value, info)
    with report.Follower(prompt) as follower:
        result = client.run_prompt(url, prompt, follower)
    show_outputs(url, prompt, result, server, point_out)
    return show_errors(prompt, result, server)


def show_outputs(url, prompt, result, server, point_out):
    """Prints every file and text that came out."""
    folder = server.output if server else OUTPUT
    outputs = report.in_order(prompt, result.outputs)
    paths = report.paths_of(outputs, folder)
    # A server that somebody else started may write anywhere; then its address for the file is all we know.
    lines = paths if server or all(map(os.path.exists, paths)) else report.addresses_of(outputs, url)
    for line in (*report.made_texts(prompt, outputs), *lines):
        say(line)
    if point_out and paths:
        say(f"Open this first: {report.first_to_open(paths)}")
    if result.ok and not paths:
        say("The workflow ran; it kept no files.")


def show_errors(prompt, result, server):
    """Prints what went wrong and returns the exit code."""
    for line in report.describe_refusals(prompt, result.node_errors):
        warn(f"Error: {line}")
    if result.error and not (result.node_errors and result.error["type"] == "prompt_outputs_failed_validation"):
        warn(f"Error: {report.describe_error(prompt, result.error)}")
        if result.error["type"] == "connection" and server:
            warn(server.last_lines())
    elif result.node_errors and not result.error:
        warn("The rest of the workflow ran without these nodes.")
    return 0 if result.ok else 1


def convert(url, data, target):
    """Writes a workflow in its other format."""
    info = client.object_info(url)
    converted = workflow.ui_to_api(data, info) if workflow.format_of(data) == "ui" else workflow.api_to_ui(data, info)
    fresh = target.with_name(target.name + ".part")
    fresh.write_text(json.dumps(converted, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    fresh.replace(target)
    say(f"{target} is in {workflow.format_of(converted).upper()} format.")
