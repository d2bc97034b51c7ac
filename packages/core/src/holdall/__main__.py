"""The command, where its script is not on the path: ``python -m holdall``."""

import sys

from holdall.command import main

if __name__ == "__main__":  # pragma: no branch  # nobody imports it
    sys.exit(main())
