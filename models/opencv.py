"""The one place where OpenCV is imported, so that a missing system library is explained once."""

from types import ModuleType


def import_cv2() -> ModuleType:
    """cv2, or an ImportError that names the package that a server without a screen needs."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            f"OpenCV could not be imported ({error}): run `pip install opencv-python`, or on a server without libGL "
            "`pip install opencv-python-headless`."
        ) from error
    return cv2
