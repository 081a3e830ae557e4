"""What the tests of several nodes share."""

import folder_paths
import pytest


@pytest.fixture
def folders(tmp_path):
    """The host's own input and output folders, elsewhere."""
    before = folder_paths.get_input_directory(), folder_paths.get_output_directory()
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    folder_paths.set_input_directory(str(tmp_path / "in"))
    folder_paths.set_output_directory(str(tmp_path / "out"))
    yield tmp_path
    folder_paths.set_input_directory(before[0])
    folder_paths.set_output_directory(before[1])
