"""A clip taken apart into scene, person and what passes before them, and put together again.

layers.py      the layers of a clip and how one frame of them is read
masks.py       masks of any size and count and tracks of SAM3, frame by frame
body.py        the whole body, also where something hides it: capsules or hull
measure.py     what one frame tells about an object
decide.py      who stands before the person, frame by frame, and why
decompose.py   a clip to its layers, and a change by hand
from_depth.py  what stands before the person by depth alone
preview.py     the labelled picture
camera.py      how the camera moves behind the people
hidden.py      what hides the scene in a frame
plates.py      pixels of the scene from other frames
guess.py       pixels that no frame has seen
complete.py    the scene behind everybody
composite.py   layers to a picture
exports.py     layers for another compositor
crop.py        boxes that follow the subject, and back
skeleton.py    flat joints to joints in space
motion.py      joints to the part-and-position code
posed.py       POSE_KEYPOINT to a posed body
align.py       a pose on another body
"""
