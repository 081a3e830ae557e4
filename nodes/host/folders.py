"""Files in the host's model folders: what a list shows, and what a chosen name opens."""

from pathlib import Path

import folder_paths

SAFE = (".safetensors", ".sft")  # a pickle can run code when it is opened


def list_files(*folders: str) -> list[str]:
    """Names of safe files in several folders, each name once."""
    names = {name for folder in folders for name in folder_paths.get_filename_list(folder)}
    return sorted(name for name in names if name.lower().endswith(SAFE))


def find_file(name: str, *folders: str) -> Path:
    """The file behind a name of the list; the first folder that has it wins."""
    for folder in folders:
        path = folder_paths.get_full_path(folder, name)
        if path is not None and name.lower().endswith(SAFE):
            return Path(path)
    raise ValueError(
        f"Found no file {name} in the model folders {' or '.join(folders)}: "
        "put it there, press R to refresh the list, and choose it again."
    )


def stamp(name: str, *folders: str) -> str:
    """Changes when the file is replaced, so that the host loads it anew."""
    found = find_file(name, *folders).stat()
    return f"{found.st_mtime_ns}-{found.st_size}"
