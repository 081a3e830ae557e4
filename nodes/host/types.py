"""Socket types that the host has no class for, with every key and shape.

Letters: N frames, H and W pixels.
"""

from comfy_api.latest import io

# POSE_KEYPOINT is a list of N frames, each a dict:
#   "canvas_width", "canvas_height": int, pixels
#   "people": list of dicts of flat lists [x, y, score, x, y, score, ...] in pixels:
#       "pose_keypoints_2d"        18 OpenPose body joints
#       "foot_keypoints_2d"         6 foot joints (optional)
#       "face_keypoints_2d"        70 face points
#       "hand_left_keypoints_2d"   21 points
#       "hand_right_keypoints_2d"  21 points
PoseKeypoint = io.Custom("POSE_KEYPOINT")

# DA3_GEOMETRY and MOGE_GEOMETRY, made by the host's geometry nodes, are dicts. Duet reads:
#   "depth"  (N, H, W)  raw depth: metres or relative, larger is farther
#   "sky"    (N, H, W)  probability of sky, DA3 Mono and Metric only
#   "mask"   (N, H, W)  bool, True where MoGe knows the depth
DA3Geometry = io.Custom("DA3_GEOMETRY")
MoGeGeometry = io.Custom("MOGE_GEOMETRY")

# DUET_FLOW is a dict:
#   "forward"         (N-1, H, W, 2)  pixels (dx, dy) from frame i to frame i+1
#   "forward_valid"   (N-1, H, W)     1 where the point is still seen in frame i+1
#   "backward"        (N-1, H, W, 2)  pixels from frame i+1 to frame i
#   "backward_valid"  (N-1, H, W)
Flow = io.Custom("DUET_FLOW")
