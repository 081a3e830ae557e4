"""The pair on ComfyUI's own Wan 2.2: its network with parts exchanged, as a native MODEL (arXiv 2512.07831)."""
