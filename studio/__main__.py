"""`python -m studio` is `prime-studio`."""

import sys

from studio.cli import main

if __name__ == "__main__":
    sys.exit(main())
