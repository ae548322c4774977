"""A folder with one prepared model: written as a whole or not at all, and described by its `engine.json`."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

from metrics.engines.errors import ModelNotPrepared

FORMAT = 1
"""Number of the layout of prepared folders. A folder of another number is prepared again."""
DESCRIPTION = "engine.json"
LEFT_OVER_SECONDS = 3600


def description(folder: Path) -> dict[str, Any]:
    """What stands in `engine.json`. Raises ModelNotPrepared if the folder holds no whole prepared model."""
    try:
        content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelNotPrepared(f"No prepared model stands in {folder}: run `python -m jobs prepare`.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ModelNotPrepared(f"The model in {folder} was prepared by another release: run `python -m jobs prepare`.")
    return content


def is_prepared(folder: Path, model: str = "", precision: str = "") -> bool:
    """Whether the folder holds a whole prepared model; of these settings, where they are given."""
    try:
        content = {"precision_setting": "float", **description(folder)}
    except ModelNotPrepared:
        return False
    wanted = {"setting": model, "precision_setting": precision}
    return all(content.get(name) == value for name, value in wanted.items() if value)


def weights_hash(source: Path) -> str:
    """The beginning of the hash of a model's weights: of a file, or of the safetensors of a folder. 8 characters."""
    files = [source] if source.is_file() else sorted(source.glob("*.safetensors"))
    digest = blake2b(digest_size=4)
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def _remove_left_overs(folder: Path) -> None:
    """Removes what a preparation that was killed has left; a younger one may still be running."""
    for left in folder.parent.glob(f".{folder.name}-*"):
        if time.time() - left.stat().st_mtime > LEFT_OVER_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def written_at_once(folder: Path, about: dict[str, Any]) -> Iterator[Path]:
    """Yields a temporary folder that takes the place of `folder` when the block ends without an error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_left_overs(folder)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield work
        (work / DESCRIPTION).write_text(json.dumps({"format": FORMAT, **about}, indent=2) + "\n", encoding="utf-8")
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
        try:
            if folder.exists():
                folder.replace(old / folder.name)
            work.replace(folder)
        finally:
            shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
