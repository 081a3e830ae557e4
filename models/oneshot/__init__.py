"""One clip: back to its noise, tunings on it, and the depth channel of a picture model."""
