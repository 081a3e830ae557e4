"""An articulated body of tapered capsules: skeleton, characters, motions and their z-buffer."""
