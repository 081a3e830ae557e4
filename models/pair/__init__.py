"""The pair: one batch of video and then depth, and the person and the room that it is told."""
