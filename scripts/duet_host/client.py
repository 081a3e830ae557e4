"""Talks to a ComfyUI server: HTTP with the standard library, the websocket with aiohttp."""

import asyncio
import json
import time
import urllib.error
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from .errors import HostError

SILENCE_SECONDS = 20  # after so long without a message, ask whether the end was missed
HISTORY_SECONDS = 10


@dataclass
class Result:
    """What became of a prompt: outputs by node id, all events as (type, data), what the server refused, how it failed."""

    outputs: dict = field(default_factory=dict)
    events: list = field(default_factory=list)
    node_errors: dict = field(default_factory=dict)
    error: dict | None = None

    @property
    def ok(self):
        return self.error is None and not self.node_errors


def request(url, body=None, timeout=60):
    """Sends GET, or POST with a JSON body, and returns (status, parsed answer)."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} if data else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=timeout) as reply:
            return reply.status, _parsed(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, _parsed(error.read())
    except (OSError, ValueError) as error:
        raise HostError(f"No ComfyUI answers at {url}: {getattr(error, 'reason', error)}") from error


def _parsed(body):
    try:
        return json.loads(body) if body else {}
    except ValueError:
        return {"error": {"message": body.decode(errors="replace")[:500]}}


def object_info(url):
    """Returns what the server says about every node."""
    status, answer = request(f"{url}/object_info", timeout=120)
    if status != 200:
        raise HostError(f"{url}/object_info answered with status {status}; is this a ComfyUI?")
    return answer


def run_prompt(url, prompt, on_event=None):
    """Queues a prompt, follows it to its end and returns a Result; Ctrl-C interrupts it on the server as well."""
    prompt_id = str(uuid.uuid4())
    try:
        return _finish(_follow(url, prompt, prompt_id, on_event))
    except KeyboardInterrupt:
        interrupt(url, prompt_id)
        raise


def _finish(coroutine):
    """Runs a coroutine to its end, in a thread of its own where this one has a running loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def interrupt(url, prompt_id):
    """Stops a prompt whether it waits or runs; a server that is gone needs no stopping."""
    try:
        request(f"{url}/queue", {"delete": [prompt_id]}, timeout=5)
        request(f"{url}/interrupt", {"prompt_id": prompt_id}, timeout=5)
    except HostError:
        pass


async def _follow(url, prompt, prompt_id, on_event):
    import aiohttp  # part of the environment, not of the standard library

    client = uuid.uuid4().hex
    result = Result()
    async with aiohttp.ClientSession() as session:
        try:
            # Connected first: events of a quick prompt would otherwise be lost.
            socket = await session.ws_connect(f"{url}/ws?clientId={client}", max_msg_size=0)
        except (aiohttp.ClientError, OSError) as error:
            raise HostError(f"No ComfyUI answers at {url}: {getattr(error, 'strerror', None) or error}") from error
        async with socket:
            await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
            body = {"prompt": prompt, "client_id": client, "prompt_id": prompt_id}
            status, answer = await asyncio.to_thread(request, f"{url}/prompt", body)
            result.node_errors = answer.get("node_errors") or {}
            if status != 200:
                result.error = _refusal(answer.get("error"), status)
                return result
            await _listen(socket, url, prompt_id, result, on_event)
    if result.error is None:
        result.outputs = await asyncio.to_thread(_outputs, url, prompt_id)
    return result


def _refusal(error, status):
    if isinstance(error, dict):
        return {"type": "refused", **error}
    return {"type": "refused", "message": str(error or f"status {status}")}


async def _listen(socket, url, prompt_id, result, on_event):
    """Collects events until the prompt has ended; notes a failure in the result."""
    while True:
        try:
            message = await asyncio.wait_for(socket.receive(), SILENCE_SECONDS)
        except asyncio.TimeoutError:
            if await asyncio.to_thread(_history, url, prompt_id):
                return
            continue
        if message.type.name in ("CLOSE", "CLOSING", "CLOSED", "ERROR"):
            result.error = {
                "type": "connection",
                "message": "The server closed the connection before the workflow ended.",
            }
            return
        if message.type.name != "TEXT":
            continue
        event = json.loads(message.data)
        kind, data = event.get("type"), event.get("data") or {}
        if data.get("prompt_id", prompt_id) != prompt_id:
            continue
        result.events.append((kind, data))
        if on_event:
            on_event(kind, data)
        if kind in ("execution_error", "execution_interrupted"):
            result.error = {"type": kind, **data}
        if kind in ("execution_success", "execution_error", "execution_interrupted"):
            return


def _history(url, prompt_id):
    return request(f"{url}/history/{prompt_id}")[1].get(prompt_id)


def _outputs(url, prompt_id):
    """Returns the outputs in the history, which is written a moment after the last event."""
    deadline = time.monotonic() + HISTORY_SECONDS
    while time.monotonic() < deadline:
        entry = _history(url, prompt_id)
        if entry:
            return entry["outputs"]
        time.sleep(0.05)
    raise HostError("The server finished the workflow but keeps no history of it.")
