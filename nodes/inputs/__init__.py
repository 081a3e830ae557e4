"""What nodes of several topics ask of their inputs."""
