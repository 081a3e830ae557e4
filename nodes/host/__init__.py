"""The only files that know the host's internals."""
