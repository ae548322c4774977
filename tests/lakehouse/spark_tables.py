"""Delta tables as Spark and Databricks write them: the log is written by hand, the data with pyarrow.

deltalake writes no deletion vectors and no v2 checkpoints, so its own tables cannot show that ours are read rightly.
"""

import json
import time
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import Schema

DATABRICKS_FEATURES = ("deletionVectors", "v2Checkpoint", "rowTracking", "domainMetadata", "clustering")
DATABRICKS_PROPERTIES = {
    "delta.checkpointPolicy": "v2",
    "delta.enableChangeDataFeed": "true",
    "delta.enableDeletionVectors": "true",
    "delta.enableRowTracking": "true",
}
READER_FEATURES = ("deletionVectors", "v2Checkpoint", "columnMapping", "typeWidening", "timestampNtz")


def schema_string(schema: pa.Schema) -> str:
    """The schema as it stands in the log. Arrow's metadata are texts, the ids of column mapping must be numbers."""
    parsed = json.loads(Schema.from_arrow(schema).to_json())
    for field in parsed["fields"]:
        if "delta.columnMapping.id" in field["metadata"]:
            field["metadata"]["delta.columnMapping.id"] = int(field["metadata"]["delta.columnMapping.id"])
    return json.dumps(parsed)


class SparkTable:
    """A table in a folder that is written one commit at a time."""

    def __init__(
        self,
        folder: Path,
        schema: pa.Schema,
        *,
        features: tuple[str, ...] = (),
        properties: dict[str, str] | None = None,
        partition_by: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.version = -1
        self.files: dict[str, dict[str, Any]] = {}
        self.partition_by = partition_by
        (folder / "_delta_log").mkdir(parents=True)
        self.protocol: dict[str, Any] = {"minReaderVersion": 1, "minWriterVersion": 4}
        if features:
            readers = [f for f in features if f in READER_FEATURES or f.startswith("unheardOf")]
            self.protocol = {
                "minReaderVersion": 3,
                "minWriterVersion": 7,
                "readerFeatures": readers,
                "writerFeatures": list(features),
            }
        self.metadata = {
            "id": str(uuid.uuid4()),
            "format": {"provider": "parquet", "options": {}},
            "schemaString": schema_string(schema),
            "partitionColumns": list(partition_by),
            "configuration": properties or {},
            "createdTime": 0,
        }
        self.commit("CREATE TABLE", [{"protocol": self.protocol}, {"metaData": self.metadata}])

    def commit(self, operation: str, actions: list[dict[str, Any]]) -> int:
        self.version += 1
        info = {"commitInfo": {"timestamp": int(time.time() * 1000), "operation": operation, "operationParameters": {}}}
        text = "\n".join(json.dumps(action) for action in [info, *actions])
        self.log_file(self.version).write_text(text)
        for action in actions:
            if "remove" in action:
                self.files.pop(action["remove"]["path"], None)
        for action in actions:
            if "add" in action:
                self.files[action["add"]["path"]] = action["add"]
        return self.version

    def log_file(self, version: int) -> Path:
        return self.folder / "_delta_log" / f"{version:020d}.json"

    def add_action(
        self, rows: pa.Table, *, partition: dict[str, str | None] | None = None, **extra: Any
    ) -> dict[str, Any]:
        """Writes the rows into a file and returns the action that adds it. `stats=None` leaves the count out."""
        path = f"part-{uuid.uuid4()}.snappy.parquet"
        int96 = extra.pop("int96", False)
        data = rows.drop_columns(list(self.partition_by)) if self.partition_by else rows
        pq.write_table(data, self.folder / path, use_deprecated_int96_timestamps=int96)
        action = {
            "path": path,
            "partitionValues": partition or {},
            "size": (self.folder / path).stat().st_size,
            "modificationTime": 0,
            "dataChange": True,
            "stats": json.dumps({"numRecords": rows.num_rows}),
        }
        return {"add": {**action, **extra}}

    def remove_action(self, path: str, data_change: bool = True) -> dict[str, Any]:
        return {"remove": {"path": path, "dataChange": data_change, "deletionTimestamp": 1, "partitionValues": {}}}

    def append(self, rows: pa.Table, **extra: Any) -> int:
        return self.commit("WRITE", [self.add_action(rows, **extra)])

    def change_data(self, rows: pa.Table, change_types: list[str]) -> dict[str, Any]:
        """Writes a change data file and returns its action."""
        (self.folder / "_change_data").mkdir(exist_ok=True)
        path = f"_change_data/cdc-{uuid.uuid4()}.snappy.parquet"
        pq.write_table(rows.append_column("_change_type", pa.array(change_types)), self.folder / path)
        size = (self.folder / path).stat().st_size
        return {"cdc": {"path": path, "partitionValues": {}, "size": size, "dataChange": False}}

    def checkpoint_v2(self) -> None:
        """A v2 checkpoint in JSON of everything up to now, and the log before it cleaned away."""
        actions = [
            {"checkpointMetadata": {"version": self.version}},
            {"protocol": self.protocol},
            {"metaData": self.metadata},
            *({"add": {**add, "dataChange": False}} for add in self.files.values()),
        ]
        log = self.folder / "_delta_log"
        (log / f"{self.version:020d}.checkpoint.{uuid.uuid4()}.json").write_text("\n".join(map(json.dumps, actions)))
        (log / "_last_checkpoint").write_text(json.dumps({"version": self.version, "size": len(actions)}))
        for version in range(self.version):
            self.log_file(version).unlink()
