"""A registry in SQLite with thousands of versions of a model, written past MLflow: it would take minutes."""

import sqlite3
from pathlib import Path

from registry.versions import client
from settings import Settings

NAME = "test.chatbot"


def many_versions(home: Path, count: int) -> Settings:
    """A workspace whose test model has `count` versions with two tags each; the 4,000th or last is the challenger."""
    settings = Settings(home=home)
    registry = client(settings)
    for name in (NAME, "prod.chatbot"):
        registry.create_registered_model(name)
        registry.create_model_version(name, "s3://bucket/model", await_creation_for=0)
    with sqlite3.connect(home / "mlflow.db") as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(model_versions)")]
        copied = ", ".join("number.value" if column == "version" else column for column in columns)
        # Only names of MLflow's own columns are put together here.
        database.execute(
            "WITH RECURSIVE number(value) AS (SELECT 2 UNION ALL SELECT value + 1 FROM number WHERE value < ?) "
            f"INSERT INTO model_versions ({', '.join(columns)}) "
            f"SELECT {copied} FROM model_versions, number WHERE version = 1 AND name = ?",
            (count, NAME),
        )
        for key in ("kind", "chunks_version"):
            database.execute(
                "INSERT INTO model_version_tags (workspace, name, version, key, value) "
                "SELECT workspace, name, version, ?, 'x' FROM model_versions WHERE name = ?",
                (key, NAME),
            )
    registry.set_registered_model_alias(NAME, "challenger", str(min(count, 4000)))
    return settings
