"""Latent flow diffusion (LFDM, CVPR 2023): a flow autoencoder and a 3-D U-Net that generates the flow of a still image."""
