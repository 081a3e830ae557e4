"""The files of Save Moving Geometry: their size, their frames one at a time, and what the report says of them."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from ...models.geometry.clip import ClipInSpace
from ...models.geometry.surface import Surface


@dataclass
class GeometryFiles:
    """One saving of a clip."""

    clip: ClipInSpace
    numbers: range  # of the frames in the whole clip
    file_format: dict
    step: int
    jump: float
    expected: int = 0  # bytes
    files: list[Path] = field(default_factory=list)  # that are written
    counts: list[tuple[int, int]] = field(default_factory=list)  # points and triangles of the frames that are written

    @property
    def kind(self) -> str:
        return self.file_format["geometry_format"]

    @property
    def is_points(self) -> bool:
        return self.kind == "ply" or self.file_format.get("shape") == "points"

    @property
    def is_textured(self) -> bool:
        return self.file_format.get("surface_colors") == "texture"

    def write(self, path: Path, hidden) -> None:
        """All frames; the first file is `path`."""
        from ...models.saving import write_by_name, write_files
        from ..host.files.metadata import saved_workflow
        from ..host.progress import progress

        about = saved_workflow(hidden)
        self.check_room(path, sum(map(len, about.values())))
        report = progress(len(self.numbers))
        if self.kind == "usd":
            self.files = [write_by_name(path, lambda unfinished: self.write_usd(unfinished, path, about, report))]
        else:
            names = [path.with_name(path.name.replace("_0000.", f"_{n:04}.")) for n in range(len(self.numbers))]
            write = lambda frame, file: file.writelines(self.content(frame, about))
            self.files = write_files(names, write, report)

    def check_room(self, path: Path, notes: int) -> None:
        """Refuses a clip without any geometry, and files for which the disk has no room."""
        from ...models.geometry.size import estimated_bytes
        from ..inputs.disk import check_disk

        counts = self.clip.count(self.step)
        if not any(counts):
            raise ValueError(
                "Expected at least one pixel with geometry, got none: raise max_distance, or check shape_mask."
            )
        texture = math.prod(self.clip.images.shape[1:3]) if self.is_textured else 0
        self.expected = estimated_bytes(self.kind, counts, self.is_points, texture, notes)
        check_disk(
            path.parent, self.expected, f"Moving geometry of {len(counts)} frames",
            "make room, raise pixel_step or frame_step, or lower max_frames",
        )  # fmt: skip

    def shape(self, frame: int) -> Surface:
        """The geometry of a frame, counted; refuses a clip in which nothing is connected."""
        if self.is_points:
            shape = self.clip.point_cloud(frame, self.step)
        else:
            shape = self.clip.surface(frame, self.step, self.jump)
        self.counts.append((len(shape.points), len(shape.triangles)))
        if frame == len(self.numbers) - 1 and not any(points for points, _ in self.counts):
            raise ValueError(
                f"Expected a surface, but no neighboring pixels are within jump_threshold {self.jump:g} of each other: raise "
                "jump_threshold, lower pixel_step, or choose points."
            )
        return shape

    def content(self, frame: int, about: dict) -> list[bytes]:
        """The file of a frame."""
        from ...models.geometry.colours import as_bytes, at_pixels, linear
        from ...models.geometry.glb import glb_chunks
        from ...models.geometry.picture import png
        from ...models.geometry.ply import ply_chunks

        shape, picture, view = self.shape(frame), self.clip.images[frame], self.clip.view(frame)
        if self.is_textured:
            return glb_chunks(shape, view, texture=png(as_bytes(picture)), about=about)
        colours = at_pixels(picture, shape.pixels)
        if self.kind == "ply":
            return ply_chunks(shape, view, as_bytes(colours))
        return glb_chunks(shape, view, linear(colours), about=about)

    def write_usd(self, unfinished: Path, path: Path, about: dict, report) -> None:
        """One file; its time is the number of the frame in the clip, from 1 on."""
        from ...models.geometry.colours import at_pixels, linear
        from ...models.geometry.usd import UsdFile

        with UsdFile(unfinished, path, self.file_format["frame_rate"], self.is_points, about) as file:
            for frame in range(len(self.numbers)):
                shape = self.shape(frame)
                colours = linear(at_pixels(self.clip.images[frame], shape.pixels))
                file.add(self.numbers[frame] + 1, shape, colours, self.clip.view(frame), self.step)
                report(frame + 1)

    def report(self, path: Path) -> str:
        """What was written, in words."""
        from ..inputs.disk import size

        points, triangles = (max(column) for column in zip(*self.counts, strict=True))
        written = sum(file.stat().st_size for file in self.files)
        camera = self.clip.camera
        across = math.degrees(2 * math.atan(camera.width / 2 / camera.focal))
        shape = f"{points:,} points" if self.is_points else f"{points:,} points and {triangles:,} triangles"
        count = f"{len(self.files)} files, {path.name} and on" if len(self.files) > 1 else path.name
        moves = "stands still" if camera.is_still() else "moves"
        return (
            f"Saved {count}: {len(self.counts)} frames of up to {shape}, {size(written)} (estimated {size(self.expected)}). "
            f"Metres, y up; the camera {moves} and sees {across:.1f} degrees across."
        )
