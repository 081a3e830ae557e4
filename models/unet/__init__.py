"""The video U-Net: diffusers' 2-D network with adapters, what trains it and what surrounds it."""
