"""The pair on the host: empty latents, conditioning, checks and windows in front of sampling, and sampling itself."""
