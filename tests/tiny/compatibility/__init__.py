"""Every node of the host on every model of ours, beside the host's own model with the same weights."""
