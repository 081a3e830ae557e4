"""Training from the page: nodes that start runs as processes. comfy_api and the standard library only, but for host.py."""
