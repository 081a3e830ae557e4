"""Keypoints in files."""

from comfy_api.latest import io

from ...models.choices import KEYPOINT_FILES
from ..host.files.folders import input_path, list_input, list_output
from ..host.types import PoseKeypoint
from .pose import CATEGORY, KEYPOINTS, confidence_threshold

ENDINGS = (".json",)
DEPTH = 3  # levels of folders that are listed: duet, then the folder of a series, then its files
COPIES = 16  # times a file's size that reading it takes in memory, at most


def listed() -> list[str]:
    """JSON files in the input and the output folder, of each series of OpenPose the first."""
    from ...models.pose.series import firsts

    return firsts(list_input(ENDINGS, DEPTH)) + firsts(list_output(ENDINGS, DEPTH))


class SaveKeypoints(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetSaveKeypoints",
            display_name="Save Keypoints",
            category=CATEGORY,
            description="Writes keypoints as JSON into the output folder: all frames in one file, or one file for each frame as "
            "the program OpenPose writes them.",
            search_aliases=[
                "export keypoints", "pose to json", "openpose json", "save pose", "save pose keypoints", "keypoints json",
                "POSE_KEYPOINT", "motion capture", "mocap", "BODY_25",
            ],
            inputs=[
                PoseKeypoint.Input("keypoints", tooltip=KEYPOINTS),
                io.String.Input(
                    "filename_prefix", default="duet/keypoints",
                    tooltip="Folder and name inside the output folder. A number is added, nothing is overwritten.",
                ),
                io.Combo.Input(
                    "keypoint_format", options=list(KEYPOINT_FILES), default=KEYPOINT_FILES[0],
                    tooltip="SDPose: one file, pixels with confidence, keeps every point. DWPose: one file, pixels. OpenPose: one "
                    "file, fractions of the picture. OpenPose files: a folder with a file for each frame, 25 points of a body in "
                    "pixels, for other programs.",
                ),
                confidence_threshold(
                    "Confidence below which a point counts as missing in DWPose and OpenPose, which store no confidence. The "
                    "other two keep every point."
                ),
            ],
            outputs=[
                io.Combo.Output(
                    display_name="keypoints_path", tooltip="The file, or the first of them, for Load Keypoints."
                ),
            ],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(cls, keypoints, filename_prefix, keypoint_format, confidence_threshold) -> io.NodeOutput:
        from ...models.pose.files import ENDING, write_keypoints
        from ...models.pose.formats import parse
        from ..host.files.folders import claimed_file, claimed_folder, output_name

        parse(keypoints)  # refuses what is no pose before anything is written
        whole = keypoint_format != KEYPOINT_FILES[-1]
        claimed = claimed_file(filename_prefix, ENDING) if whole else claimed_folder(filename_prefix)
        with claimed as path:
            first = write_keypoints(path, keypoints, keypoint_format, confidence_threshold)
        return io.NodeOutput(output_name(first), ui={"text": (f"Saved {first.name}",)})


class LoadKeypoints(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadKeypoints",
            display_name="Load Keypoints",
            category=CATEGORY,
            description="Reads keypoints from JSON: files of Save Keypoints, of SDPose, DWPose and OpenPose, a series of the "
            "program OpenPose, or annotations of COCO.",
            search_aliases=[
                "import keypoints", "json to pose", "openpose json", "load pose", "load pose keypoints", "keypoints json",
                "POSE_KEYPOINT", "BODY_25", "COCO", "motion capture", "mocap",
            ],
            inputs=[
                io.Combo.Input(
                    "keypoints_file", options=listed(), default="",  # no file is a better guess than another
                    tooltip="A .json file in the input or the output folder, or keypoints_path of Save Keypoints. Of a series with "
                    "one file for each frame choose the first.",
                ),
                io.Int.Input(
                    "width", default=0, min=0, max=16384, step=1,
                    tooltip="Width in pixels of the clip that the keypoints come from, where the file does not hold it, as those of "
                    "the program OpenPose. 0: from the file.",
                ),
                io.Int.Input(
                    "height", default=0, min=0, max=16384, step=1,
                    tooltip="Height in pixels of the clip that the keypoints come from, where the file does not hold it. 0: from the "
                    "file.",
                ),
                io.Int.Input(
                    "start_frame", default=0, min=0, max=1000000, step=1,
                    tooltip="First frame to read, counted from 0; in a series at the chosen file.",
                ),
                io.Int.Input(
                    "frame_count", default=0, min=0, max=1000000, step=1,
                    tooltip="How many frames to read. 0: all that follow; a number that is missing in a series is refused.",
                ),
            ],
            outputs=[
                PoseKeypoint.Output(display_name="keypoints", tooltip="The keypoints in the format of SDPose."),
                io.String.Output(display_name="report", tooltip="How many frames and people were read, and their size."),
            ],
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, keypoints_file=None) -> bool | str:
        try:
            return keypoints_file is None or bool(keypoints_path(keypoints_file))
        except ValueError as error:
            return str(error)

    @classmethod
    def fingerprint_inputs(cls, keypoints_file, **others) -> str:
        from ...models.pose.series import series_of

        try:
            files = series_of(keypoints_path(keypoints_file))
        except (ValueError, AttributeError):  # linked: its name is not known yet
            return ""
        return " ".join(f"{file.stat().st_mtime_ns}-{file.stat().st_size}" for file in files)

    @classmethod
    def execute(cls, keypoints_file, width, height, start_frame, frame_count) -> io.NodeOutput:
        from ...models.pose.files import read_keypoints
        from ..host.memory import check_memory

        path = keypoints_path(keypoints_file)
        check_memory(COPIES * path.stat().st_size, f"The keypoints in {path.name}", "save fewer frames in a file")
        keypoints = read_keypoints(path, start_frame, frame_count, height, width)
        return io.NodeOutput(keypoints, said(path.name, keypoints))


def keypoints_path(name: str):
    """The file behind a name, which ends in .json."""
    path = input_path(name)
    if path.suffix.lower() not in ENDINGS or not path.is_file():
        raise ValueError(f"Expected a file that ends in {ENDINGS[0]}, got {name!r}: choose another.")
    return path


def said(name: str, keypoints: list) -> str:
    """The report."""
    first, counts = keypoints[0], [len(frame["people"]) for frame in keypoints]
    people = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    size = f"{first['canvas_width']} x {first['canvas_height']}"
    return f"{name}: {len(keypoints)} frames of {size} with {people} people in each."
