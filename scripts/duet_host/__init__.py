"""What `scripts/host.py` is made of: an environment, a host, a server in it, and a client for that server."""
