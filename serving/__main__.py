"""`python -m serving`: the local gateway, in the foreground."""

import argparse
import sys

from serving.errors import CannotServe
from serving.server import run_gateway
from settings import get_settings


def main() -> int:
    """Run the gateway. Returns the exit code: 1 with one sentence when it cannot start."""
    argparse.ArgumentParser(prog="python -m serving", description=__doc__).parse_args()
    try:
        run_gateway(get_settings())
    except CannotServe as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
