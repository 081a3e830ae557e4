"""Entry point that ComfyUI calls. Importing this file needs no host, so tests and training may import the pack."""

WEB_DIRECTORY = "./web"
OLDEST_HOST = (0, 30, 0)


def check_host(version: str) -> None:
    """Refuse an older ComfyUI with one sentence that names both versions."""
    numbers = tuple(int(part) for part in version.split("+")[0].split(".")[:3] if part.isdigit())
    if numbers < OLDEST_HOST:
        wanted = ".".join(map(str, OLDEST_HOST))
        raise ImportError(f"Duet needs ComfyUI {wanted} or newer, and this is {version}: please update ComfyUI.")


async def comfy_entrypoint():
    from comfyui_version import __version__

    check_host(__version__)
    from .nodes import DuetExtension

    return DuetExtension()
