"""Latent flow models as the host's MODEL."""
