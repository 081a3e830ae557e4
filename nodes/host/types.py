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

# DUET_FLOW is a dict. Offsets are in pixels (dx, dy) of the flow's own H and W, so a flow of another size is scaled with
# its numbers. Validity is 1 where the point is visible there, 0 where it is not, and may lie between. It has one or more
# of these pairs; a stage clip and Estimate Flow along a clip give the first two, everything from one still image the third.
#   "forward"          (N-1, H, W, 2)  from frame i to frame i+1
#   "forward_valid"    (N-1, H, W)
#   "backward"         (N-1, H, W, 2)  from frame i+1 to frame i
#   "backward_valid"   (N-1, H, W)
#   "to_picture"       (N, H, W, 2)    from frame i to the one still image that all frames are fetched from
#   "to_picture_valid" (N, H, W)
Flow = io.Custom("DUET_FLOW")

# OPTICAL_FLOW is a ModelPatcher around torchvision's RAFT, made by the host's Load Optical Flow Model.
OpticalFlow = io.Custom("OPTICAL_FLOW")

# DUET_FLOW_AUTOENCODER is a nodes.host.lfdm.autoencoder.HostAutoencoder: LFDM's flow autoencoder under the host's memory
# management. It encodes a still image once, estimates the flow between pictures, and renders a still image moved by a flow.
FlowAutoencoder = io.Custom("DUET_FLOW_AUTOENCODER")

# DUET_STAGE is a models.stage.Clip: F frames of one synthetic scene. Each group of its parts is computed on first use, then
# kept; compute(group, ..., report=progress) does it with a progress bar. Tensors, but for the lists:
#   pictures  "rgb", "scene_images" (without person and objects), "person_images" (on grey)  (F, H, W, 3)  0..1
#             "layers"  (L, F, H, W, 4)  premultiplied colour and coverage of the person, then of each object
#             "person_mask", "occluder_mask", "scene_mask", "whole_person_mask"  (F, H, W)  0..1
#   geometry  "depth", "scene_depth"  (F, H, W)  metres; "layer", "owner", "part"  (F, H, W) uint8; "body"  (F, H, W, 3)
#   flow      "forward", "backward"  (F-1, H, W, 2)  pixels; "forward_valid", "backward_valid"  (F-1, H, W) bool
#   poses     "keypoints"  list; "pose"  (F, H, W, 3); "joints"  (F, 18, 3)  metres in camera space
#   portrait  "character"  (1, H, W, 3)  the person in A-pose; "character_keypoints"  list
# At once there are "scene" (what is on stage), "camera", "caption" and "action".
Stage = io.Custom("DUET_STAGE")

# SAM3_TRACK_DATA is made by the host's Run SAM3 Video Track. Duet reads:
#   "packed_masks"  (N, K, h, w / 8) uint8, eight pixels a byte, the first in the lowest bit; None where nothing was found
#   "n_frames"      int
# h and w are those of the tracker's network, not of the clip.
SAM3TrackData = io.Custom("SAM3_TRACK_DATA")

# POSE_KEYPOINT may carry per person "pose_keypoints_3d": 18 times x, y, z, score of the body joints in metres in front of
# the camera (x right, y down, z forward). Draw Body takes these as they are; other nodes do not use them.

# DUET_LAYERS is a dict, a decomposed clip. Clips and masks in it are the given tensors, not copies.
#   "images"        (N, H, W, 3)             the clip, 0..1
#   "person"        (N or 1, h, w)           the person's mask as given, 0..1
#   "depth"         (N, h, w)                depth as given, or None
#   "depth_type"    str                      what its numbers mean: "near is white", "far is white" or "distance"
#   "objects"       (K, N or 1, h, w) float  masks of the objects, 0..1; or (N, K, h, w / 8) uint8 as SAM3 packs them; or
#                                            None where there are no objects
#   "in_front"      (N, K) bool              the object is in front of the person in that frame, else in the scene
#   "nearness"      (N, K + 1)               of each object, then of the person; larger is nearer, NaN where not visible
#   "report"        list of str              notes on the clip, then one sentence an object: kept or dropped, and why
#   "scene"         (N or 1, H, W, 3)        the clip without person and occluders; None until filled
#   "scene_depth"   (N or 1, H, W)           its nearness in the units of "nearness", or None
Layers = io.Custom("DUET_LAYERS")

# DUET_CROP is a dict, the places that the pictures of Crop to Subject come from.
#   "frames"       int                       of the original clip
#   "size"         (H, W)                    of the original clip
#   "output_size"  (h, w) or None            of the cropped pictures; None: as large as their box
#   "clips"        list of {"start": int, "boxes": (n, 4) int64}  left, top, right, bottom in pixels of the original in
#                                            each frame; a box may reach beyond the picture, whose border is repeated
#                  and "repeated": int           times that the last cropped picture comes again at the end
#                      "subject": (n, 4)         left, top, right, bottom of the whole subject, hidden parts too
#                      "mask": (n + repeated, h, w)  of the subject, cropped
Crop = io.Custom("DUET_CROP")
