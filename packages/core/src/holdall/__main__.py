"""Run the command as ``python -m holdall``, in case its script is not on the path."""

import sys

from holdall._command import main

if __name__ == "__main__":  # pragma: no branch  # it is never imported
    sys.exit(main())
