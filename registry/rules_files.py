"""Rules files: TOML that people read and change, a file of their own laid over ours."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from registry.errors import RegistryError


def read_rules(ours: Path, users: str, variable: str) -> tuple[dict[str, Any], Path]:
    """What stands in our file and, over it, in the user's (empty: none), section by section.

    variable: the environment variable that names the user's. Returns: the rules, and the file that has the last word.
    Raises: RegistryError, naming the file, if one cannot be read.
    """
    rules, file = _read(ours, variable), ours
    if users:
        file = Path(users).expanduser()
        rules = _laid_over(rules, _read(file, variable))
    return rules, file


def wrong_rule(
    error: ValidationError, file: Path, ours: Path, not_in_file: frozenset[str] = frozenset()
) -> RegistryError:
    """The first thing that is wrong in a rules file as one sentence: file, key and value.

    not_in_file: words that the error's place has and the file has not, as the kind by which a section is read.
    """
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"] if part not in not_in_file) or "its sections"
    given = ""
    if first["type"] == "missing":
        given = "it is missing"
    elif not isinstance(first["input"], dict | list):
        given = f"it is {first['input']!r}"
    why = first["msg"].removeprefix("Value error, ")
    said = f"{given} ({why})" if given else why
    return RegistryError(f"The rules file {file} is wrong at {key}: {said}. Mend it, or compare it with {ours.name}.")


def _read(file: Path, variable: str) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RegistryError(
            f"The rules file {file} ({variable}) cannot be read: {error}. Mend it or unset the setting."
        ) from error


def _laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for key, value in above.items():
        nested = isinstance(value, dict) and isinstance(below.get(key), dict)
        both[key] = _laid_over(below[key], value) if nested else value
    return both
