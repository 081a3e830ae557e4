"""Latent flow diffusion (LFDM, CVPR 2023): a flow auto-encoder and a 3-D U-Net that dreams up the flow of a still picture."""
