"""Entry point that ComfyUI calls. Importing this file needs no host, so tests and training may import the pack."""

WEB_DIRECTORY = "./web"
OLDEST = {"ComfyUI": (0, 30, 0), "PyTorch": (2, 7)}


def check_version(name: str, version: str) -> None:
    """Refuse an older ComfyUI or PyTorch with one sentence that names both versions."""
    numbers = tuple(int(part) for part in version.split("+")[0].split(".")[:3] if part.isdigit())
    if numbers < OLDEST[name]:
        wanted = ".".join(map(str, OLDEST[name]))
        raise ImportError(f"Duet needs {name} {wanted} or newer, and this is {version}: please update {name}.")


async def comfy_entrypoint():
    import torch
    from comfyui_version import __version__

    check_version("ComfyUI", __version__)
    check_version("PyTorch", torch.__version__)
    from .nodes import DuetExtension

    return DuetExtension()
