"""Files in the host's model folders: what a list shows, and what a chosen name opens.

Every loader lists safe files and old ones alike; of the old ones models/files/reading.py reads the tensors only.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath

import folder_paths

SAFE = (".safetensors", ".sft")
PICKLED = (".ckpt", ".pth", ".pt", ".bin")  # they can hold code, which would run if it were read
WEIGHTS = (*SAFE, *PICKLED)
TENSORS_ONLY = "Of an old .ckpt, .pth, .pt or .bin file only the tensors are read, never code."
LONGEST_PREFIX = 200
SHIPPED = Path(__file__).resolve().parents[3] / "weights"
# Folders for files that stock loaders cannot open: our loaders read them after the stock folder, stock loaders do not.
BESIDE = {"diffusion_models": "duet_models", "controlnet": "duet_controlnets"}


def searched(*folders: str) -> list[str]:
    """The folders that a loader reads, each followed by the one of ours beside it."""
    keys = [key for folder in folders for key in (folder, BESIDE.get(folder))]
    return [key for key in keys if key in folder_paths.folder_names_and_paths]


def list_files(*folders: str, endings: tuple[str, ...] = WEIGHTS) -> list[str]:
    """Names of files of weights in several folders, each name once."""
    names = {name for folder in searched(*folders) for name in folder_paths.get_filename_list(folder)}
    return sorted(name for name in names if name.lower().endswith(endings))


def find_file(name: str, *folders: str, endings: tuple[str, ...] = WEIGHTS) -> Path:
    """The file behind a name of the list; the first folder that has it wins."""
    for folder in searched(*folders):
        path = folder_paths.get_full_path(folder, name)
        if path is not None and name.lower().endswith(endings):
            return Path(path)
    raise ValueError(
        f"Found no file {name} in the model folders {' or '.join(folders)}: "
        "put it there, press R to refresh the list, and choose it again."
    )


def find_inside(name: str, *folders: str, what: str, holds: str = "") -> Path | None:
    """A file, or a folder that holds a file, by its name in model folders, None where there is none.

    A name that leads out of them is refused; links that the user made in them are followed. `what` is the input that the
    sentence names.
    """
    parts = PureWindowsPath(name)  # on every system, so that a workflow means the same on all of them
    if parts.anchor or ".." in parts.parts or name.startswith(("~", "/")) or "\0" in name or not parts.parts:
        raise ValueError(
            f"{what}: expected a name in the model folders {' or '.join(folders)}, got {name[:200]!r}, which leads out of "
            "them: put it there, and enter its name."
        )
    for folder in searched(*folders):
        for root in map(os.path.abspath, folder_paths.get_folder_paths(folder)):
            path = os.path.abspath(os.path.join(root, *parts.parts))
            if os.path.commonpath((root, path)) == root and os.path.exists(os.path.join(path, holds)):
                return Path(path)
    return None


def folder_stamp(path: Path) -> str:
    """Changes when a file of a folder is replaced."""
    files = [(file.name, file.stat()) for file in sorted(path.iterdir()) if file.is_file()]
    return " ".join(f"{name}-{file.st_mtime_ns}-{file.st_size}" for name, file in files)


def stamp(name: str | None, *folders: str, endings: tuple[str, ...] = WEIGHTS) -> str:
    """Changes when the file is replaced, so that the host loads it anew.

    The name of a linked input is not known yet (None); then it changes with any file of the list.
    """
    if name is None:
        return " ".join(name + stamp(name, *folders, endings=endings) for name in list_files(*folders, endings=endings))
    found = find_file(name, *folders, endings=endings).stat()
    return f"{found.st_mtime_ns}-{found.st_size}"


def output_file(prefix: str, ending: str) -> Path:
    """A new file in the output folder; a prefix that leads out of it is refused."""
    if not prefix.isprintable() or len(prefix) > LONGEST_PREFIX:
        raise ValueError(
            f"filename_prefix: expected up to {LONGEST_PREFIX} characters without control characters, got {prefix[:200]!r}: "
            "enter another name."
        )
    output = Path(folder_paths.get_output_directory()).resolve()
    if not (output / prefix).resolve().is_relative_to(output):
        raise ValueError(
            f"filename_prefix: expected a folder and a name inside the output folder, got {prefix!r}, which is outside the "
            "output folder: enter it without .. and without the root of a disk."
        )
    try:
        folder, name, number, _, _ = folder_paths.get_save_image_path(prefix, folder_paths.get_output_directory())
    except OSError as error:
        raise ValueError(
            f"filename_prefix: the folder of {prefix!r} could not be made in the output folder ({error.strerror or error}): "
            "enter another one, or make the output folder writable."
        ) from error
    path = Path(folder) / f"{name}_{number:05}_{ending}"
    while path.exists():  # the host counts names with pictures' endings only when they have its form
        number += 1
        path = Path(folder) / f"{name}_{number:05}_{ending}"
    return path


@contextmanager
def claimed_file(prefix: str, ending: str) -> Iterator[Path]:
    """A new file in the output folder, empty, so that no other run gets its name; it is deleted if it stays empty."""
    try:
        path = create_file(prefix, ending)
    except OSError as error:
        raise ValueError(
            f"{prefix} could not be written into the output folder ({error.strerror or error}): make room on that disk, or "
            "choose another folder in filename_prefix."
        ) from error
    try:
        yield path
    finally:
        if path.is_file() and not path.stat().st_size:
            path.unlink()


def create_file(prefix: str, ending: str) -> Path:
    """An empty file of a new name; where another run takes the name meanwhile, the next one."""
    while True:
        path = output_file(prefix, ending)
        try:
            path.open("x").close()
            return path
        except FileExistsError:
            continue


@contextmanager
def claimed_folder(prefix: str) -> Iterator[Path]:
    """A new folder in the output folder, so that no other run gets its name; it is deleted if it stays empty."""
    path = output_file(prefix, "")
    while True:
        try:
            path.mkdir()
            break
        except FileExistsError:
            path = output_file(prefix, "")
        except OSError as error:
            raise ValueError(
                f"{prefix} could not be made in the output folder ({error.strerror or error}): make room on that disk, or "
                "choose another folder in filename_prefix."
            ) from error
    try:
        yield path
    finally:
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def list_input(endings: tuple[str, ...], depth: int = 2) -> list[str]:
    """Names of files in the input folder and in the folders in it, `depth` levels down."""
    return files_below(folder_paths.get_input_directory(), endings, depth)


def list_output(endings: tuple[str, ...], depth: int = 2) -> list[str]:
    """Names of files in the output folder and in the folders in it, in the form of output_name()."""
    return [f"{name} [output]" for name in files_below(folder_paths.get_output_directory(), endings, depth)]


def files_below(folder: str, endings: tuple[str, ...], depth: int) -> list[str]:
    root, patterns = Path(folder), ["/".join("*" * level) for level in range(1, depth + 1)]
    found = (path for pattern in patterns for path in root.glob(pattern) if path.name.lower().endswith(endings))
    return sorted(path.relative_to(root).as_posix() for path in found)


def input_path(name: str) -> Path:
    """A file or folder in the input folder, or in another whose name follows it, "x [output]"; it never leads out of it."""
    if not name.isprintable() or not name.strip() or not folder_paths.exists_annotated_filepath(name):
        raise ValueError(
            f"Found no file {name[:200]!r} in its folder: put it into the input folder, press R to refresh the list, and choose "
            "it again."
        )
    return Path(folder_paths.get_annotated_filepath(name))


def input_file(name: str, endings: tuple[str, ...]) -> Path:
    """A file of the input folder, or of another whose name follows it, "x.npz [output]"; it never leads out of it."""
    ending = " or ".join(endings)
    if not folder_paths.annotated_filepath(name)[0].strip().lower().endswith(endings):
        raise ValueError(f"Expected a file that ends in {ending}, got {name!r}: choose another.")
    if not folder_paths.exists_annotated_filepath(name):
        raise ValueError(
            f"Found no file {name!r} in its folder: put it into the input folder, press R to refresh the list, and "
            "choose it again."
        )
    return Path(folder_paths.get_annotated_filepath(name))


def output_name(path: Path) -> str:
    """How a node that reads files names one of the output folder."""
    root = Path(folder_paths.get_output_directory())
    return f"{path.resolve().relative_to(root.resolve()).as_posix()} [output]"


def add_shipped() -> None:
    """The weights that came with the pack, in every list after the user's own; in stock lists only what opens there."""
    for folder in sorted(SHIPPED.iterdir()) if SHIPPED.is_dir() else ():
        if folder.is_dir():
            folder_paths.add_model_folder_path(BESIDE.get(folder.name, folder.name), str(folder))


def add_folder(key: str) -> None:
    """A model folder of our own, which the user may also name in extra_model_paths.yaml; another pack may share it."""
    new = key not in folder_paths.folder_names_and_paths
    folder_paths.add_model_folder_path(key, str(Path(folder_paths.models_dir) / key))
    paths, endings = folder_paths.folder_names_and_paths[key]
    if new:
        endings = folder_paths.supported_pt_extensions
    elif endings:  # an empty set stands for every ending
        endings = {*endings, *folder_paths.supported_pt_extensions}
    folder_paths.folder_names_and_paths[key] = (paths, endings)


def add_own_folders() -> None:
    """The folders beside stock ones, in models and in the output folder, as the host reads those of its own savers."""
    for key in BESIDE.values():
        add_folder(key)
        folder_paths.add_model_folder_path(key, str(Path(folder_paths.get_output_directory()) / key))
