"""Entry point that ComfyUI calls. Importing this file needs no host, so tests and training may import the pack."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    try:
        from .nodes import DuetExtension
        from .nodes.host.version import require_host

        require_host()
        return DuetExtension()
    except Exception:
        import logging

        # The host prints one line without a traceback for a failing entry point.
        logging.exception("Duet could not start.")
        raise
