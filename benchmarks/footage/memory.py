"""The most memory that a real server takes for a graph as an artist builds it: split twice and composited three times.

Letters: N frames, H and W pixels.
"""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from duet_host.client import run_prompt
from duet_host.server import running_server

from .nodes import defaults
from .shots import Footage

RATE = 30


def measure(footage: Footage) -> dict:
    """Gigabytes of the server before the graph and at most, and the seconds that the graph took."""
    with tempfile.TemporaryDirectory() as folder:
        state, host = Path(folder) / "state", Path(os.environ["COMFYUI_PATH"])
        write_inputs(footage, state / "input")
        with running_server(host, Path(sys.executable), state, output=Path(folder) / "output", quiet=True) as server:
            with Peak(server.process.pid) as peak:
                begin = time.perf_counter()
                result = run_prompt(server.url, graph(footage))
                seconds = time.perf_counter() - begin
    if not result.ok:
        raise RuntimeError(f"The graph did not run to its end: {result.error or result.node_errors}")
    return {"server_idle_gb": peak.first, "server_peak_gb": peak.most, "server_seconds": seconds}


class Peak:
    """Gigabytes of memory that a process holds, before and at most while this is open (Linux).

    Pages that several clips share count once.
    """

    def __init__(self, process: int):
        self.file = Path(f"/proc/{process}/smaps_rollup")

    def __enter__(self) -> "Peak":
        self.first = self.most = self.held()
        self.open = True
        self.thread = threading.Thread(target=self.poll, daemon=True)
        self.thread.start()
        return self

    def held(self) -> float:
        lines = self.file.read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024 / 1e9

    def poll(self) -> None:
        while self.open:
            self.most = max(self.most, self.held())
            time.sleep(0.1)

    def __exit__(self, *error) -> None:
        self.open = False
        self.thread.join()


def write_inputs(footage: Footage, folder: Path) -> None:
    """The shot, its drawn depth and its masks as files that the host's own loaders read."""
    folder.mkdir(parents=True, exist_ok=True)
    grey = lambda planes: np.repeat((planes[..., None] * 255).round().astype(np.uint8), 3, -1)
    write_video(folder / "shot.mp4", footage.frames)
    write_video(folder / "person.mp4", grey(footage.person.astype(np.float32)))
    if footage.near is not None:
        write_video(folder / "depth.mp4", grey(footage.near.astype(np.float32)))
    if footage.kept is not None:
        write_video(folder / "object.mp4", grey(np.broadcast_to(footage.kept, footage.person.shape).astype(np.float32)))


def write_video(path: Path, frames: np.ndarray) -> None:
    """(N, H, W, 3) bytes as H.264 of high quality."""
    import av

    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=RATE)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "10", "preset": "ultrafast"}
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        file.mux(stream.encode())


def graph(footage: Footage) -> dict:
    """Loaded, decomposed, filled; split before and after the filling; removed, an object inserted, both; all results shown."""
    prompt: dict = {}

    def add(kind: str, **inputs) -> str:
        prompt[str(len(prompt) + 1)] = {"class_type": kind, "inputs": defaults(kind) | inputs}
        return str(len(prompt))

    def clip(name: str) -> list:
        return [add("GetVideoComponents", video=[add("LoadVideo", file=f"{name}.mp4"), 0]), 0]

    images = clip("shot")
    mask = lambda name: [add("ImageToMask", image=clip(name), channel="red"), 0]
    extra = {"depth": clip("depth")} if footage.near is not None else {}
    extra |= {"object_masks": mask("object")} if footage.kept is not None else {}
    person = mask("person")
    layers = add("DuetDecomposeLayers", images=images, person_mask=person, **extra)
    filled = add("DuetFillScene", layers=[layers, 0])
    thing = {"inserted_object": images, "inserted_object_mask": person, "insert_position": "behind the person"}
    results = [add("DuetSplitLayers", layers=[one, 0]) for one in (layers, filled)]
    results += [
        add("DuetCompositeLayers", layers=[filled, 0], **{"insert_position": "behind the person"} | changes)
        for changes in ({"remove_person": True}, thing, thing | {"remove_person": True})
    ]
    for one in results:
        add("PreviewAny", source=[one, 0])
    return prompt
