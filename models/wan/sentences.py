"""What the model reads beside each modality, in place of a prompt (arXiv 2512.07831, the authors' code)."""

SENTENCES = {
    "depth": "depth map visualization, scene depth from camera, near in warm colors and far in cool colors.",
    "raft": "optical flow visualization showing motion direction with color and magnitude with intensity.",
    "segmentation": "segmentation mask of foreground objects against background.",
    "skeleton": "human skeleton pose visualization with body keypoints and limbs.",
    "densepose": "densepose visualization with body part UV coordinates.",
}
MODALITIES = tuple(SENTENCES)
