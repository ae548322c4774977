"""The places where a test may kill a run of the metrics job (`lakehouse.crash_points` says how)."""

from lakehouse.crash_points import VARIABLE, crash_point

__all__ = ["STAGES", "VARIABLE", "crash_point"]

STAGES = (
    "start",
    "find",
    "read",
    "deduplicate",
    "look_up",
    "load_models",
    "score",
    "append",
    "remember",
    "roll_up_metrics_minute",
    "roll_up_metrics_15min",
    "roll_up_metrics_hour",
    "roll_up_metrics_daily_requester",
    "roll_up_notable_requests",
    "roll_up",
    "finish",
)
"""The boundaries of the metrics job, each named by the stage that was just done."""
