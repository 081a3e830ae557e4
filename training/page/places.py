"""Where the main pack lies: around this folder as in the repository, or beside it in custom_nodes."""

from pathlib import Path

MARK = Path("models") / "unet" / "network.py"


def main_pack(here: Path) -> Path:
    """The folder of the main pack."""
    here = here.absolute()
    around = (here.parent, here.resolve().parent)
    beside = sorted(path for path in here.parent.iterdir() if path.is_dir())
    for folder in (*around, *beside):
        if (folder / MARK).is_file() and (folder / "nodes").is_dir():
            return folder
    raise ValueError(
        f"Duet Training needs the Duet pack beside it and found none in {here.parent}: install Duet (duet-video-depth) there."
    )
