"""How models, versions, files and sizes are called on the pages."""

from collections.abc import Iterable

from dashboard.wording import NOTHING, number
from registry.versions import ModelVersion

_STATUS = {"READY": "ready", "PENDING_REGISTRATION": "registering", "FAILED_REGISTRATION": "failed"}


def address(name: str, version: str) -> str:
    """How a link names a version of any model: `prod.chatbot/2`."""
    return f"{name}/{version}"


def read_address(text: str, model: str) -> tuple[str, str]:
    """(registered model, number or alias) that `text` names; of `model` where it names none."""
    name, _, version = text.strip().rpartition("/")
    version = version.strip().removeprefix("@")
    if version[:1] == "v" and version[1:].isdecimal():
        version = version[1:]
    return name.strip() or model, version


def short(version: ModelVersion) -> str:
    """How people call a version: prod.chatbot v2."""
    return f"{version.name} v{version.version}"


def alias_words(aliases: Iterable[str]) -> str:
    """Aliases as they are written, `@champion`."""
    return ", ".join(f"@{alias}" for alias in aliases)


def status_word(status: str) -> str:
    """MLflow's status of a version as a word."""
    return _STATUS.get(status, status.replace("_", " ").lower())


def size(count: int | None) -> str:
    """Bytes in their largest unit (1 kB is 1,000 bytes)."""
    if count is None:
        return NOTHING
    for power, unit in ((3, "GB"), (2, "MB"), (1, "kB")):
        if count >= 1000**power:
            value = count / 1000**power
            return f"{number(value, 1 if value < 10 else 0)}\u00a0{unit}"
    return f"{number(count)}\u00a0B"
