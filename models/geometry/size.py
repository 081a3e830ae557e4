"""How large files of geometry become, before they are written."""

POINT = {"glb": 24, "ply": 15, "usd": 24}  # bytes: place and colour
TRIANGLE = {"glb": 12, "ply": 0, "usd": 4}  # bytes; USD packs the numbers of its points
WIDTH = 4  # bytes of a point of USD that belongs to no triangle
TEXTURE = 2  # bytes a pixel of a PNG
HEAD = 4096  # bytes of a file, and of a frame of USD, besides


def estimated_bytes(kind: str, counts: list[int], flat: bool, texture_pixels: int = 0, notes: int = 0) -> int:
    """Bytes of all frames with so many points each; `flat` has no triangles, else there are two for each point."""
    one = POINT[kind] + (2 * TRIANGLE[kind] if not flat else WIDTH if kind == "usd" else 0)
    each = HEAD + TEXTURE * texture_pixels + (0 if kind == "usd" else notes)
    return sum(count * one + each for count in counts) + (notes if kind == "usd" else 0)
