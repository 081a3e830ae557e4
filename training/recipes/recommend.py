"""The size and the number of frames that a run trained with, for its model files: loaders recommend them for sampling."""

from dataclasses import replace

from ...models.files.recommended import KEY, WHOLE, Recommended


def recommended_note(family: Recommended, clips, frames: int | None = None) -> dict[str, str]:
    """An entry of a file's metadata; steps, cfg and sampler are the family's, frames too unless given."""
    size = getattr(clips, "source", clips).size
    height, width = (size, size) if isinstance(size, int) else size
    sizes = {"width": width, "height": height, "frames": frames or family.frames}
    inside = {name: min(max(value, WHOLE[name][0]), WHOLE[name][1]) for name, value in sizes.items()}
    return {KEY: replace(family, **inside).to_json()}
