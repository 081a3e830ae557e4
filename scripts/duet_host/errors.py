"""The one error that the command line shows as a single line."""


class HostError(Exception):
    """Something the user can act on: what was expected, what came, how to mend it."""
