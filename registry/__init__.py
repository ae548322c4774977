"""MLflow: model versions, their aliases, and moves between environments."""

import os

# MLflow reads these when it is imported, which our modules do late.
# Nothing is reported to anyone.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# Nobody's words go into traces: prompts and answers belong in the inference table only.
os.environ.setdefault("MLFLOW_TRACE_SAMPLING_RATIO", "0")
# No progress bars in logs.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
