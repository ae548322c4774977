"""Where a registered model's aliases point, without MLflow where that can be: importing it takes seconds and memory.

For a process that looks every few seconds for months. In a registry in SQLite the one table is read as it stands;
any other registry is asked through MLflow.
"""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from urllib.parse import quote

from registry.errors import RegistryError
from settings import Settings

_SQLITE = "sqlite:///"
_BUSY_SECONDS = 5.0


def aliases_of(settings: Settings, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Alias → version number of each registered model; empty for one that is not registered. Raises: RegistryError."""
    wanted = [name for name in dict.fromkeys(names) if name]
    if settings.registry_uri.startswith(_SQLITE):
        found = _from_sqlite(settings.registry_uri.removeprefix(_SQLITE), wanted)
        if found is not None:
            return found
    return {name: _from_mlflow(settings, name) for name in wanted}


def _from_sqlite(path: str, names: list[str]) -> dict[str, dict[str, str]] | None:
    """None where the table is not as MLflow makes it today; nothing at all where there is no registry yet."""
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    try:
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as database:
            for name in names:
                rows = database.execute("SELECT alias, version FROM registered_model_aliases WHERE name = ?", (name,))
                found[name] = {str(alias): str(version) for alias, version in rows}
    except sqlite3.OperationalError as error:
        told = str(error)
        if "unable to open" in told:
            return found
        if "locked" in told:
            raise RegistryError("The registry is busy: its aliases are looked at again later.") from error
        return None
    return found


def _from_mlflow(settings: Settings, name: str) -> dict[str, str]:
    from mlflow.exceptions import MlflowException

    from registry.versions import client

    try:
        model = client(settings).get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise RegistryError(f"The registry did not tell the aliases of {name}: {error.message}") from error
    return {str(alias): str(version) for alias, version in model.aliases.items()}
