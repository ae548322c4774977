"""The files of a model version: which there are, how large they are, and the text of one of them."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.errors import RegistryError
from registry.versions import ModelVersion, asking, client
from settings import Settings

MOST_BYTES = 1024 * 1024
"""The largest file that is fetched to be looked at."""
_MOST_FILES, _MOST_FOLDERS = 1000, 60


@dataclass(frozen=True)
class Artifact:
    """A file of a model version. `path` is relative to the model's folder; `size` is in bytes, None if not told."""

    path: str
    size: int | None


@dataclass(frozen=True)
class ArtifactTree:
    """All files of a model version, by path. `complete`: whether no more folders and files were left out."""

    files: tuple[Artifact, ...]
    complete: bool = True

    @property
    def size(self) -> int:
        """Bytes of all files whose size is known."""
        return sum(file.size or 0 for file in self.files)

    def find(self, path: str) -> Artifact | None:
        """The file at `path`, or None."""
        return next((file for file in self.files if file.path == path), None)


def artifact_tree(settings: Settings, version: ModelVersion) -> ArtifactTree:
    """The files of a version, at most 1,000 from at most 60 folders; nothing is downloaded.

    Raises: RegistryError.
    """
    with _asking_the_store(f"the files of {version.name} version {version.version}"):
        return _walked(_repository(settings, version))


def artifact_text(settings: Settings, version: ModelVersion, tree: ArtifactTree, path: str) -> str:
    """The text of one of the files in `tree`, which has to be UTF-8 and at most 1 MiB.

    Raises: RegistryError, if it is no file of the tree, too large, or no text.
    """
    file = tree.find(path)
    if file is None:
        raise RegistryError(f"{version.name} version {version.version} has no file {path}: choose one of its files.")
    if file.size is None or file.size > MOST_BYTES:
        size = "of unknown size" if file.size is None else f"{file.size:,} bytes"
        raise RegistryError(f"{path} is {size}: only files up to {MOST_BYTES:,} bytes are shown.")
    what = f"the file {path} of {version.name} version {version.version}"
    with _asking_the_store(what), tempfile.TemporaryDirectory() as place:
        # Only paths that the store itself listed get here: none leads out of the model's folder.
        content = Path(_repository(settings, version).download_artifacts(path, place)).read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RegistryError(f"{path} is no text in UTF-8, so it cannot be shown.") from error
    if "\0" in text:
        raise RegistryError(f"{path} is no text, so it cannot be shown.")
    return text


def _repository(settings: Settings, version: ModelVersion) -> Any:
    client(settings)
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(version.uri)


@contextmanager
def _asking_the_store(what: str) -> Iterator[None]:
    """`asking`, of a place for files: S3, Azure, a folder, each of which has errors of its own."""
    try:
        with asking(what):
            yield
    except RegistryError:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RegistryError(f"The place of the artifacts did not give {what}: {reason}") from error


def _walked(repository: Any) -> ArtifactTree:
    files: list[Artifact] = []
    folders: list[str | None] = [None]
    asked = 0
    while asked < min(len(folders), _MOST_FOLDERS) and len(files) <= _MOST_FILES:
        for found in repository.list_artifacts(folders[asked]):
            if found.is_dir:
                folders.append(found.path)
            else:
                files.append(Artifact(found.path, None if found.file_size is None else int(found.file_size)))
        asked += 1
    # The model's own files come before those of its folders.
    files.sort(key=lambda file: ("/" in file.path, file.path))
    return ArtifactTree(tuple(files[:_MOST_FILES]), asked == len(folders) and len(files) <= _MOST_FILES)
