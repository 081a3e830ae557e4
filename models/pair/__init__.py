"""The pair: one batch of video and then depth, and the character and the scene that condition it."""
