"""`python -m vision`: read a diagram, or ask about one."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import SettingsError

from lakehouse.errors import LakehouseError
from settings import Settings, get_settings
from vision.answer import Usage
from vision.errors import VisionError
from vision.reading import Reading

_REFUSED = 2
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit status: 0, or 2 with one sentence on standard error."""
    chosen = _parser().parse_args(arguments)
    try:
        image = _file(chosen.image)
        if chosen.command == "read":
            print(json.dumps(_read(get_settings(), image).as_dict(), ensure_ascii=False))
        else:
            _ask(get_settings(), image, chosen.question, chosen.reader)
    except (VisionError, ValidationError, SettingsError) as error:
        print(error, file=sys.stderr)
        return _REFUSED
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vision", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    read = commands.add_parser("read", help="print what is read on a diagram as JSON")
    read.add_argument("image", type=Path, metavar="IMAGE", help="a PNG or JPEG")
    ask = commands.add_parser("ask", help="print the answer to a question about a diagram in Markdown")
    ask.add_argument("image", type=Path, metavar="IMAGE", help="a PNG or JPEG")
    ask.add_argument("question", metavar="QUESTION")
    ask.add_argument(
        "--reader",
        default="embedded",
        metavar="embedded|MODEL",
        help="who answers: the embedded reader, or a model that LAKEHELM_VISION_MODELS names (default: embedded)",
    )
    return parser


def _file(path: Path) -> bytes:
    from vision.images import MOST_BYTES

    try:
        if path.stat().st_size > MOST_BYTES:
            raise VisionError(f"{path} has more than {MOST_BYTES / 1e6:.0f} MB, the most that can be read.")
        return path.read_bytes()
    except OSError as error:
        raise VisionError(f"{path} cannot be opened: {error.strerror or error}.") from error


def _read(settings: Settings, image: bytes) -> Reading:
    """The image read anew, and kept for the questions that follow."""
    from vision.picture.reader import read_image
    from vision.reading_cache import hash_of, keep_reading

    reading = read_image(image)
    try:
        keep_reading(settings, hash_of(image), reading)
    except LakehouseError as error:
        # Nothing is lost but time: the next question reads the image again.
        print(f"The reading was not kept. {error}", file=sys.stderr)
    return reading


def _known_or_read(settings: Settings, image: bytes) -> Reading:
    from vision.images import check_image
    from vision.reading_cache import hash_of, known_reading

    check_image(image)
    try:
        known = known_reading(settings, hash_of(image))
    except LakehouseError as error:
        print(f"Kept readings could not be looked at. {error}", file=sys.stderr)
        known = None
    return known or _read(settings, image)


def _ask(settings: Settings, image: bytes, question: str, answerer: str) -> None:
    """Print the answer as it comes."""
    from vision.ask import ask

    reading = _known_or_read(settings, image)
    for piece in ask(settings, answerer, image, reading, question, (), lambda: False):
        if not isinstance(piece, Usage):
            print(piece, end="", flush=True)
    print()


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # At once: where Python ends in order, the threads of the text recognition may be taken down while they still run,
    # and the process then aborts with its answer already printed.
    os._exit(status)
