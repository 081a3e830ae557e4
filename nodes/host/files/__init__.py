"""The host's folders."""
