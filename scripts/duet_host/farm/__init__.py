"""Many workflows over several ComfyUI servers: jobs, the servers' work, and the engine that hands it out."""
