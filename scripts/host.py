#!/usr/bin/env python3
"""Everything around the pack in one command: environment, host, workflows, tests."""

import sys

if sys.version_info < (3, 10):  # noqa: UP036  Here, before any import that an older Python could not read.
    sys.exit("Error: Python 3.10 or newer is needed, this is {}.{}.".format(*sys.version_info))

from duet_host.cli import main

if __name__ == "__main__":
    sys.exit(main())
