"""At which precision a prepared model runs on this machine, remembered so that its name is known without loading it.

OpenVINO decides by the processor, and asking it takes its import. So what it said is kept beside the model, with what
it rested on; a folder that was copied to another machine, or another OpenVINO, asks again.
"""

import json
import logging
import os
import platform
from functools import cache
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from metrics.engines.errors import ModelUnusable

_log = logging.getLogger(__name__)

EIGHT_BITS = "int8"
_FILE = "precision.json"
_PROCESSOR_FACTS = ("model name", "flags", "features", "cpu model")
_X86 = ("x86_64", "amd64")
_PROCESSOR_CHARACTERS = 65_536
"""The first processor of many, which are alike."""


def remember_precision(folder: Path, precision: str) -> None:
    """Keep that the model in a prepared folder runs at `precision` here. A folder that is read-only keeps nothing."""
    if remembered_precision(folder) == precision:
        return
    work = folder / f".{_FILE}.{os.getpid()}"
    try:
        work.write_text(json.dumps({**_here(), "precision": precision}) + "\n", encoding="utf-8")
        work.replace(folder / _FILE)
    except OSError as error:
        _log.warning("The model's precision was not kept in %s, so each start loads it: %s", folder, error)


def remembered_precision(folder: Path) -> str | None:
    """What the model in a prepared folder ran at on a processor like this one, by this OpenVINO; None if not known."""
    try:
        kept = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(kept, dict) or {name: kept.get(name) for name in _here()} != _here():
        return None
    precision = kept.get("precision")
    return precision if isinstance(precision, str) else None


def require_eight_bits() -> None:
    """Raises: ModelUnusable, if sums of products of eight-bit integers overflow on this processor.

    Processors of the x86 family without VNNI add them up in sixteen bits and cut off what does not fit: of a
    small model the surprises of tokens were off by 5.6 % of their spread there, where less than 2 % is wanted.
    """
    if platform.machine().lower() in _X86 and not _has_vnni(_processor()):
        raise ModelUnusable(
            "This processor has no VNNI, without which sums in int8 overflow and perplexity comes out wrong: set "
            "LAKEHELM_PERPLEXITY_PRECISION=float and run `python -m jobs prepare`."
        )


def _has_vnni(processor: str) -> bool:
    # Where nothing is told of its abilities, as outside of Linux, it is trusted.
    return "vnni" in processor or "flags" not in processor


@cache
def _here() -> dict[str, str]:
    try:
        release = version("openvino")
    except PackageNotFoundError:
        release = ""
    return {"openvino": release, "processor": blake2b(_processor().encode(), digest_size=8).hexdigest()}


def _processor() -> str:
    """Name and abilities of the processor, as the operating system tells them."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as file:
            text = file.read(_PROCESSOR_CHARACTERS)
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    first = text.split("\n\n")[0].splitlines()
    return "\n".join([platform.machine(), *(line for line in first if line.lower().startswith(_PROCESSOR_FACTS))])
