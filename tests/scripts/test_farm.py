"""Many workflows over three real servers, one of which is killed in the middle: no job lost, none done twice."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import av
import pytest
from duet_host import client, commands
from duet_host.errors import HostError
from duet_host.farm import engine, work
from duet_host.farm.job import Job, keep, read_jobs
from duet_host.farm.run import run
from duet_host.server import running_server

pytest.importorskip("distributed", reason="several servers need Dask")
pytestmark = pytest.mark.long(seconds=90)

FRAMES, JOBS = 9, 10


def clip(seed: int, size: int = 128, frames: int = FRAMES) -> dict:
    """A test video rendered and saved, in API format."""
    return {
        "1": {"class_type": "DuetRenderTestVideo", "inputs": {
            "seed": seed, "width": size, "height": size, "frames": frames, "frame_rate": 8.0, "action": "walk",
            "character_seed": -1, "motion_seed": -1, "room_seed": -1, "object_count": 1, "camera": "still",
            "style": "natural", "smooth_edges": True, "sensor_noise": 0.0, "exposure_change": 0.0, "camera_shake": 0.0,
            "shadow_strength": 0.0,
        }},
        "2": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 8.0, "bit_depth": 8}},
        "3": {"class_type": "SaveVideo", "inputs": {
            "video": ["2", 0], "filename_prefix": "shots/clip", "format": "auto", "codec": "auto",
        }},
    }  # fmt: skip


def write(folder: Path, **prompts) -> Path:
    folder.mkdir(exist_ok=True)
    for name, prompt in prompts.items():
        (folder / f"{name}.json").write_text(json.dumps(prompt), encoding="utf-8")
    return folder


def frames_of(path: Path) -> int:
    with av.open(str(path)) as file:
        return sum(1 for _ in file.decode(video=0))


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Three servers, each with a folder of its own."""
    host = Path(os.environ["COMFYUI_PATH"])
    with contextlib.ExitStack() as stack:
        servers = []
        for _ in range(3):
            state, output = tmp_path_factory.mktemp("state"), tmp_path_factory.mktemp("output")
            opened = running_server(host, Path(sys.executable), state, output=output, quiet=True)
            servers.append(stack.enter_context(opened))
        yield servers


def finished_on(server, jobs: list[Job]) -> set[str]:
    """The ids of those of some jobs that a server remembers as done."""
    history = client.request(f"{server.url}/history")[1]
    return {job.id for job in jobs if job.id in history and history[job.id]["status"]["status_str"] == "success"}


def kill_after(server, output: Path, jobs: int) -> threading.Thread:
    """Kills a server, its children too, once so many jobs are done."""

    def wait_and_kill():
        deadline = time.monotonic() + 120
        while len(list(output.glob("*/job.json"))) < jobs and time.monotonic() < deadline:
            time.sleep(0.05)
        server.process.send_signal(signal.SIGKILL)

    thread = threading.Thread(target=wait_and_kill, daemon=True)
    thread.start()
    return thread


def test_a_killed_server_costs_no_job_and_doubles_none(three, tmp_path, capsys):
    jobs = [Job(f"clip_{seed}", clip(40 + seed)) for seed in range(JOBS)]
    names = [job.name for job in jobs]
    folder = write(tmp_path / "jobs", **{job.name: job.prompt for job in jobs})
    output, servers = tmp_path / "done", [server.url for server in three]
    killer = kill_after(three[1], output, 3)
    assert run(folder, servers, [], output, 1) == 0
    killer.join()
    assert f"{servers[1]} is gone" in capsys.readouterr().err
    assert sorted(path.name for path in output.iterdir()) == sorted(names), "a folder for each job and nothing else"
    for name in names:
        record = json.loads((output / name / "job.json").read_text(encoding="utf-8"))
        (video,) = (output / name).rglob("*.mp4")
        assert frames_of(video) == FRAMES
        assert [(video.parent.name, video.name, video.stat().st_size, work.checksum(video))] == [
            (one["subfolder"], one["path"], one["bytes"], one["sha256"]) for one in record["files"]
        ]
    first, third = (finished_on(three[number], jobs) for number in (0, 2))
    assert not first & third, "no job on two servers"
    assert len(first) >= 2 and len(third) >= 2, "both that are left took part"
    records = [json.loads(path.read_text(encoding="utf-8")) for path in output.glob("*/job.json")]
    assert {one["id"] for one in records if one["server"] != servers[1]} == first | third
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    assert run(folder, servers, [], output, 1) == 0
    assert "10 of 10 were done already" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*")} == before, "done jobs are left as they are"
    again = [finished_on(three[number], jobs) for number in (0, 2)]
    assert again == [first, third], "no server is asked to do them again"


def test_a_killed_worker_process_costs_no_job_and_doubles_none(three, tmp_path):
    """The worker of the long job is killed when the other worker is free: that one takes the job, and must only follow it."""
    long, short = Job("long", clip(80, frames=240)), Job("short", clip(81))
    servers = [three[0].url, three[2].url]
    killed = []
    with engine.dask(servers) as dask:
        farm = engine.Farm(dask, servers, [long, short], tmp_path, 0)
        addresses = {worker["name"]: address for address, worker in dask.scheduler_info()["workers"].items()}
        processes = dask.run(os.getpid)

        def kill():
            deadline = time.monotonic() + 60
            while not killed and time.monotonic() < deadline:
                if "short" in farm.done:
                    killed.extend(url for url in servers if work.is_queued(url, long))
                time.sleep(0.02)
            os.kill(processes[addresses[killed[0]]], signal.SIGKILL)

        threading.Thread(target=kill, daemon=True).start()
        assert farm.run() == {}
    assert killed == [farm.done["long"]["server"]], "the server that had the job kept it"
    assert sorted(farm.done) == ["long", "short"]
    assert not finished_on(three[0], [long, short]) & finished_on(three[2], [long, short])


def test_what_fails_is_named_and_the_others_are_done(three, tmp_path, capsys):
    broken, refused = clip(1), clip(2)
    broken["1"]["inputs"]["character_seed"], broken["2"]["inputs"]["images"] = -1, ["4", 0]
    broken["4"] = {"class_type": "LoadImage", "inputs": {"image": "nowhere.png"}}
    refused["3"]["class_type"] = "NoSuchNode"
    folder = write(tmp_path / "jobs", good=clip(3), broken=broken, refused=refused)
    assert run(folder, [three[0].url], [], tmp_path / "done", 0) == 1
    said = capsys.readouterr()
    assert "Error: broken: " in said.err and "nowhere.png" in said.err
    assert "Error: refused: " in said.err and "NoSuchNode" in said.err
    assert "1 of 3 jobs are done" in said.out
    assert [path.name for path in (tmp_path / "done").iterdir()] == ["good"]


def test_a_changed_workflow_is_a_new_job(three, tmp_path):
    folder = write(tmp_path / "jobs", one=clip(5))
    output, servers = tmp_path / "done", [three[0].url]
    assert run(folder, servers, [], output, 0) == 0
    assert run(folder, servers, [("DuetRenderTestVideo.frames", 5)], output, 0) == 0
    (video,) = (output / "one").rglob("*.mp4")
    assert frames_of(video) == 5


def test_a_job_that_a_server_has_already_is_not_queued_again(three, tmp_path):
    job = Job("one", clip(90))
    work.queue(three[0].url, job)
    work.run_job(three[0].url, job, tmp_path)
    work.run_job(three[0].url, job, tmp_path / "elsewhere")
    history = client.request(f"{three[0].url}/history")[1]
    assert [entry["prompt"][1] for entry in history.values()].count(job.id) == 1
    assert len(list(tmp_path.rglob("*.mp4"))) == 2


def test_no_server_is_one_sentence(tmp_path):
    folder = write(tmp_path / "jobs", one=clip(5))
    with pytest.raises(HostError, match="None of the servers answers"):
        run(folder, ["http://127.0.0.1:9"], [], tmp_path / "done", 0)


def test_when_all_servers_are_gone_every_job_is_named(tmp_path, capsys):
    jobs = [Job(f"clip_{seed}", clip(seed)) for seed in range(5)]
    servers = ["http://127.0.0.1:9", "http://127.0.0.1:10"]
    with engine.dask(servers) as dask:
        failed = engine.Farm(dask, servers, jobs, tmp_path, 0).run()
    assert failed == dict.fromkeys((job.name for job in jobs), "No server is left.")


def test_an_empty_folder_and_a_missing_one_are_named(tmp_path):
    with pytest.raises(HostError, match="no workflow \\(\\*.json\\) in the folder"):
        read_jobs(tmp_path, [], "http://127.0.0.1:9")
    with pytest.raises(HostError, match="no workflow file or folder"):
        commands.run_on_servers(type("Options", (), {"workflow": str(tmp_path / "no"), "set": []}))


def test_the_folder_of_a_job_is_whole_or_not_there(tmp_path):
    job = Job("one", clip(5))

    def broken(folder):
        (folder / "half.mp4").write_bytes(b"half")
        raise work.ServerLost("gone")

    with pytest.raises(work.ServerLost):
        keep(job, tmp_path, {}, broken)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("subfolder", "name"), [("..", "a.png"), ("", "../a.png"), ("", "/etc/a.png")])
def test_a_server_names_no_place_outside_the_folder(tmp_path, subfolder, name):
    with pytest.raises(work.JobFailed, match="outside the job's folder"):
        work.inside(tmp_path / "job", subfolder, name)


def test_the_same_name_and_content_is_the_same_job():
    assert Job("one", clip(5)).id == Job("one", json.loads(json.dumps(clip(5)))).id
    assert len({Job("one", clip(5)).id, Job("two", clip(5)).id, Job("one", clip(6)).id}) == 3
