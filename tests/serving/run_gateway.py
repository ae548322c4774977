"""`python -m tests.serving.run_gateway HOME PORT`: the real gateway process with the echo model in its workers."""

import sys
from pathlib import Path

from serving.errors import CannotServe
from serving.server import run_gateway
from settings import Settings
from tests.serving.echo_model import FORK_SERVER

if __name__ == "__main__":
    settings = Settings(home=Path(sys.argv[1]), gateway_port=int(sys.argv[2]), gateway_flush_seconds=0.5)
    try:
        run_gateway(settings, FORK_SERVER)
    except CannotServe as error:
        print(error, file=sys.stderr)
        sys.exit(1)
