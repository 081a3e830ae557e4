"""Keypoints as a detector gives them: exact poses of the stage with noise, jumps, gaps and half-sure scores."""

import numpy as np
import torch
from pack.models.pose.formats import from_joints
from pack.models.stage import render, sample_scene

SIZE = 400  # pixels: people are about 300 tall


def stage_poses(seed=3, frames=72, action="dance", rate=24.0):
    """(N, 18, 2) exact pixels, all of them in the picture or not."""
    scene = sample_scene(seed, frames=frames, height=SIZE, width=SIZE, frame_rate=rate, action=action, objects=0)
    return scene.view().project(render(scene).joints)


def detector_noise(shape, pixels, seed, correlation=0.3):
    """Errors (N, K, 2) of about so many pixels of second difference, a part of which lasts from frame to frame."""
    r = np.random.default_rng(seed)
    white = r.normal(size=(*shape, 2))
    for i in range(1, len(white)):
        white[i] = correlation * white[i - 1] + np.sqrt(1 - correlation**2) * white[i]
    bends = np.linalg.norm(white[:-2] - 2 * white[1:-1] + white[2:], axis=-1).mean()
    return torch.from_numpy(white * pixels / bends).float()


def detected(points, pixels=6.0, jumps=0.02, gaps=0.01, seed=0):
    """Exact (N, 18, 2) as detected (N, 18, 2), scores (N, 18), and where a joint jumped (N, 18)."""
    r = np.random.default_rng(seed + 100)
    out, shape = points + detector_noise(points.shape[:2], pixels, seed), points.shape[:2]
    scores = torch.from_numpy(r.uniform(0.5, 0.95, shape)).float()
    jumped = torch.zeros(shape, dtype=torch.bool)
    for frame, joint in zip(*np.nonzero(r.random(shape) < jumps), strict=True):
        for at in range(frame, min(frame + r.integers(1, 4), shape[0])):
            jumped[at, joint] = True
        away = torch.from_numpy(r.choice([-1, 1], 2) * r.uniform(60, 120, 2)).float()
        out[jumped[:, joint] & (torch.arange(shape[0]) >= frame), joint] += away
    for frame, joint in zip(*np.nonzero(r.random(shape) < gaps), strict=True):
        scores[frame : frame + r.integers(1, 6), joint] = 0.05
    return out, scores, jumped


def as_keypoints(points, scores):
    return from_joints(points, scores, SIZE, SIZE)
