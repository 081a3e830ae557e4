"""Duet Training: a node pack of its own that trains what the Duet pack samples. Importing this file needs no host."""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    from pathlib import Path

    from .page.places import main_pack

    main_pack(Path(__file__).parent)  # one sentence when the Duet pack is not there
    try:
        from .page.nodes import DuetTrainingExtension

        return DuetTrainingExtension()
    except Exception:
        import logging

        # The host prints one line without a traceback for a failing entry point.
        logging.exception("Duet Training could not start.")
        raise
