"""Latent flow diffusion (LFDM, CVPR 2023): a flow auto-encoder and a 3-D U-Net that dreams up the flow of a still picture.

config.py          shapes of both networks, one named instance for each released variant
layers.py          the 2-D blocks of the auto-encoder
warp.py            taking a picture apart and together again by an absolute sampling grid
regions.py         where the moving parts of a picture are, and how they turn and stretch
flow_predictor.py  the motion of the background, and a flow for every pixel from that of the parts
autoencoder.py     the generator, and the three networks together
codec.py           what inference needs of it: a picture is encoded once and decoded with many flows
attention.py       attention over time and space of the U-Net
unet.py            the U-Net
diffusion.py       its noise schedule, threshold, ancestral steps and loss
equivariance.py    the losses of the auto-encoder that need no labels
checkpoint.py      released files and our own
reference.py       the U-Net written as it is usually written, to check and to time the fast one against
"""
