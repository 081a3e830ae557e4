"""The oldest host this pack was seen to run on."""

OLDEST = (0, 30, 0)


def require_host(version: str | None = None) -> None:
    """Refuse an older ComfyUI with one sentence that names both versions."""
    if version is None:
        from comfyui_version import __version__ as version
    numbers = tuple(int(part) for part in version.split("+")[0].split(".")[:3] if part.isdigit())
    if numbers < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise ImportError(f"Duet needs ComfyUI {wanted} or newer, and this is {version}: please update ComfyUI.")
