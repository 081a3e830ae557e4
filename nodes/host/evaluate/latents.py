"""Pictures as vectors by the host's VAE.

Letters: N pictures, H and W pixels, d features.
"""

from torch import Tensor

from ....models.evaluate.features import latent_summary


def latent_vectors(vae, images: Tensor) -> Tensor:
    """(N, H, W, 3) pictures to (N, d); a video VAE, which joins frames, gives fewer."""
    latents = vae.encode(images)
    return latent_summary(latents[0].movedim(1, 0) if latents.ndim == 5 else latents).cpu()
