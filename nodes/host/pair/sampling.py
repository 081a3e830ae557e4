"""The host's own sampling, called as KSampler calls it."""

import nodes


def sample(model, seed, steps, cfg, sampler, scheduler, positive, negative, latent, denoise=1.0) -> dict:
    """KSampler with previews, interrupts, masks and memory management as the host does them."""
    return nodes.common_ksampler(
        model, seed, steps, cfg, sampler, scheduler, positive, negative, latent, denoise=denoise
    )[0]
