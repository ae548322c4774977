"""A workspace for tests of the pages: a month of made-up numbers in the real tables' schemas, with made-up texts.

Version 2 took over from version 1 in the middle of the month; it is quicker, reads easier and is a little less sure.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import write_deltalake

from jobs.partial_sums import COLUMNS_READ, partial_sums
from lakehouse.status import write_status
from lakehouse.tables import TABLES
from settings import Settings

REQUESTERS = ("ana@example.com", "ben@example.com", "webshop", "local")
QUESTIONS = (
    "How do I roll back to version {n}?",
    "My address is anna{n}@example.com, please send me the handbook.",
    "You are a stupid idiot number {n}, shut up.",
    "What does the metrics job do every {n} minutes?",
    "Call me at +49 170 12345{n:02d} about the endpoint.",
)
ANSWERS = (
    "Open the Overview and press Roll back. Version {n} is warm and takes over within a second.",
    "The metrics job reads the new rows of the inference table and scores each of them once. It took {n} seconds.",
    "I can only answer questions about the handbook.",
)
SCORERS = {
    "perplexity_scorer": "smollm2-135m-q4_1/openvino-f32/1",
    "readability_scorer": "flesch_kincaid/textstat-0.7.13/1",
    "toxicity_scorer": "keyword/alt-profanity-check-1.9.1/1",
}
PRICE_SOURCE = "sample price"
PRICE = {"input_usd_per_million": 0.15, "output_usd_per_million": 0.6, "source": PRICE_SOURCE}


def utc_now() -> datetime:
    """Now, with its time zone."""
    return datetime.now(UTC)


def write_rows(settings: Settings, name: str, rows: pa.Table | list[dict[str, Any]]) -> None:
    """Append rows to one of our tables with the schema of its specification."""
    spec = TABLES[name]
    table = pa.Table.from_pylist(rows, schema=spec.schema) if isinstance(rows, list) else rows.cast(spec.schema)
    address = f"{settings.lake}/{name}"
    Path(address).mkdir(parents=True, exist_ok=True)
    write_deltalake(address, table, mode="append", partition_by=list(spec.partition_by) or None)


def requests(now: datetime, days: float, per_day: int, seed: int = 7) -> pd.DataFrame:
    """One row a request, as in `request_metrics`, in whole hours: a rhythm of days, two versions, a few failures."""
    random = np.random.default_rng(seed)
    count = int(days * per_day)
    candidates = now - pd.to_timedelta(random.uniform(0, days * 86400 - 3600, count * 4), unit="s")
    hours = candidates.hour + candidates.minute / 60
    chance = (0.25 + 0.75 * np.exp(-(((hours - 14) / 4.5) ** 2))) * np.where(candidates.day_of_week < 5, 1, 0.45)
    kept = candidates[random.uniform(size=len(candidates)) < chance]
    times = kept[:count].sort_values()
    switched = now - timedelta(days=days / 2)
    second = np.asarray(times >= switched)
    n = len(times)
    failed = random.uniform(size=n) < 0.012
    status = np.where(failed, random.choice([429, 500, 503], n), 200)
    frame = pd.DataFrame(
        {
            "databricks_request_id": [f"request-{seed}-{i:06d}" for i in range(n)],
            "request_time": times.floor("us"),
            "endpoint_name": "chatbot",
            "entity_name": "prod.chatbot",
            "entity_version": np.where(second, "2", "1"),
            "requester": "local",
            "status_code": status,
            "execution_duration_ms": np.round(random.lognormal(np.where(second, 2.1, 2.6), 0.45, n)),
            "prompt_tokens": random.integers(6, 40, n),
            "completion_tokens": random.integers(30, 180, n),
            "response_chars": random.integers(120, 900, n),
            "response_perplexity": random.lognormal(np.where(second, 3.3, 3.1), 0.4, n),
            "prompt_perplexity": random.lognormal(4.4, 0.5, n),
            "response_fk_grade": random.normal(np.where(second, 8.1, 10.4), 2.1, n),
            "prompt_fk_grade": random.normal(5.5, 2.4, n),
            "response_reading_ease": random.normal(np.where(second, 62, 48), 9, n),
            "response_ari": random.normal(np.where(second, 8.6, 11.0), 2.4, n),
            "response_toxicity": random.beta(0.6, 22, n),
            "prompt_toxicity": np.where(
                random.uniform(size=n) < 0.07, random.uniform(0.5, 1, n), random.beta(1, 15, n)
            ),
            "score_weight": 1.0,
        }
    )
    frame = frame.assign(**SCORERS)
    frame["cost_usd"] = (frame["prompt_tokens"] * 0.15 + frame["completion_tokens"] * 0.6) / 1e6
    frame["price_source"] = PRICE_SOURCE
    readable = ["response_fk_grade", "response_reading_ease", "response_ari"]
    answered = ["response_perplexity", *readable, "response_toxicity", "cost_usd"]
    frame.loc[failed, [*answered, "completion_tokens", "response_chars"]] = np.nan
    frame.loc[failed, "price_source"] = None
    foreign = random.uniform(size=n) < 0.03
    frame.loc[foreign, [*readable, "prompt_fk_grade"]] = np.nan
    return frame


def with_requesters(frame: pd.DataFrame, seed: int = 11) -> pd.DataFrame:
    """The same requests from several requesters, the first of whom asks most."""
    random = np.random.default_rng(seed)
    return frame.assign(requester=random.choice(REQUESTERS, len(frame), p=(0.55, 0.25, 0.15, 0.05)))


def write_requests(settings: Settings, frame: pd.DataFrame) -> None:
    """The requests one by one: scored in `request_metrics`, with their texts in `inference_table`."""
    dates = [time.date() for time in frame["request_time"]]
    rows = frame.assign(request_date=dates, scored_at=frame["request_time"] + timedelta(minutes=4))
    schema = TABLES["request_metrics"].schema
    scored = pa.Table.from_pandas(
        rows.reindex(columns=[name for name in schema.names if name not in ("toxicity_labels", "unscored")]),
        preserve_index=False,
    )
    for name in ("toxicity_labels", "unscored"):
        scored = scored.append_column(name, pa.nulls(len(rows), schema.field(name).type))
    write_rows(settings, "request_metrics", scored.select(schema.names))
    said = []
    for number, row in enumerate(rows.to_dict("records")):
        toxic = row["prompt_toxicity"] >= 0.5
        question = QUESTIONS[2 if toxic else (0, 1, 3, 4)[number % 4]].format(n=number % 60)
        answer = ANSWERS[number % 3].format(n=number % 60)
        failed = row["status_code"] >= 400
        said.append(
            {
                "databricks_request_id": row["databricks_request_id"],
                "request_date": row["request_date"],
                "request_time": row["request_time"],
                "status_code": row["status_code"],
                "execution_duration_ms": int(row["execution_duration_ms"]),
                "request": json.dumps({"messages": [{"role": "user", "content": question}]}),
                "response": '{"message": "failed"}'
                if failed
                else json.dumps({"choices": [{"message": {"role": "assistant", "content": answer}}]}),
                "logging_error_codes": [],
                "served_entity_id": f"entity-{row['entity_version']}",
                "requester": row["requester"],
            }
        )
    write_rows(settings, "inference_table", said)
    entities = [
        {
            "served_entity_id": f"entity-{version}",
            "endpoint_name": "chatbot",
            "served_entity_name": f"chatbot-{version}",
            "entity_name": "prod.chatbot",
            "entity_version": version,
            "endpoint_config_version": int(version),
            "change_time": rows["request_time"].min(),
        }
        for version in ("1", "2")
    ]
    write_rows(settings, "served_entities", entities)


def sampled(frame: pd.DataFrame, one_in: float, seed: int = 3) -> pd.DataFrame:
    """The rows as they are where the models scored 1 in `one_in` of them; toxicity comes from a model, too."""
    taken = np.random.default_rng(seed).uniform(size=len(frame)) < 1 / one_in
    thin = frame.assign(score_weight=np.where(taken, one_in, 0.0), toxicity_scorer="original/detoxify-0.5.4/1")
    thin.loc[~taken, ["response_perplexity", "prompt_perplexity", "response_toxicity", "prompt_toxicity"]] = np.nan
    return thin


def partials(frame: pd.DataFrame, minutes: int, *, by_requester: bool = False) -> pa.Table:
    """The partial sums of request rows, by the job's own function."""
    schema = pa.schema([TABLES["request_metrics"].schema.field(name) for name in COLUMNS_READ])
    rows = frame.reindex(columns=list(COLUMNS_READ))
    return partial_sums(
        pa.Table.from_pandas(rows[list(COLUMNS_READ)], schema=schema, preserve_index=False), minutes * 60, by_requester
    )


def job_run(
    started: datetime, *, state: str = "succeeded", rows: int = 24, seconds: float = 9.0, **more: Any
) -> dict[str, Any]:
    """One finished run of the metrics job."""
    reasons = {"response_fk_grade: not English": 1} if rows % 3 == 0 and rows else {}
    return {
        "run_id": f"run-{started:%m%d%H%M%S}",
        "job": "score",
        "trigger": "schedule",
        "request_id": "",
        "process_id": 0,
        "started_at": started,
        "finished_at": started + timedelta(seconds=seconds),
        "state": state,
        "from_version": 10,
        "to_version": 11,
        "rows_read": rows,
        "rows_scored": rows - sum(reasons.values()),
        "rows_unscored": sum(reasons.values()),
        "rows_duplicate": 0,
        "rows_waiting": 0,
        "rows_left_out": 0,
        "unscored_reasons": reasons,
        "stage_seconds": {"read": 0.2, "score": seconds - 1.1, "append": 0.4, "rollups": 0.5},
        "newest_request_time": started - timedelta(seconds=14),
        **more,
    }


def change(time: datetime, action: str, target: str, **more: Any) -> list[dict[str, Any]]:
    """A change of the ledger: its intent and its outcome."""
    base = {
        "change_id": f"change-{time:%m%d%H%M%S}-{action}",
        "actor": "ana",
        "role": "admin",
        "action": action,
        "target": target,
        "before": "",
        "after": "",
        "reason": "",
        "evidence": "{}",
        **more,
    }
    return [
        {**base, "phase": "intent", "time": time},
        {**base, "phase": "outcome", "time": time + timedelta(seconds=2), "outcome": "succeeded", "seconds": 2.0},
    ]


def write_operations(settings: Settings, now: datetime) -> None:
    """Runs of the metrics job, changes, processes and the finished demo."""
    runs = [
        job_run(now - timedelta(minutes=5 * i + 1), rows=18 + (i * 7) % 19, seconds=6 + (i * 5) % 9) for i in range(24)
    ]
    runs[6] |= {"state": "failed", "error": "The inference table could not be read: its log lacks version 118."}
    runs[9] |= {"rows_duplicate": 3, "rows_unscored": 2, "unscored_reasons": {"response: body is not JSON": 2}}
    write_rows(settings, "job_runs", runs[::-1])
    ledger = [
        *change(now - timedelta(days=29), "register", "prod.chatbot", after="version 1", reason="first version"),
        *change(now - timedelta(days=29), "deploy", "chatbot", after="chatbot-1 100 %"),
        *change(
            now - timedelta(days=15, minutes=9),
            "promote",
            "prod.chatbot",
            before="1",
            after="2",
            reason="says I don't know",
        ),
        *change(now - timedelta(days=15), "deploy", "chatbot", before="chatbot-1 100 %", after="chatbot-2 100 %"),
    ]
    write_rows(settings, "ledger", ledger)
    process = {"state": "running", "restarts": 0, "since": (now - timedelta(hours=3)).isoformat(), "last_error": ""}
    names = ["gateway", "scheduler", "dashboard", "trickle"]
    write_status(
        settings, "up", {"processes": [{"name": n, "process_id": 100 + i, **process} for i, n in enumerate(names)]}
    )
    steps = [
        "Refresh the handbook",
        "Train and register versions",
        "Start the endpoint",
        "Ask the questions",
        "Write the history",
        "Score",
    ]
    write_status(
        settings,
        "demo",
        {"state": "ready", "steps": [{"name": s, "state": "done", "seconds": 9.0, "detail": ""} for s in steps]},
    )


def write_building(settings: Settings) -> None:
    """The status of a demo that is being built."""
    steps = [
        {"name": "Refresh the handbook", "state": "done", "seconds": 1.4, "detail": "14 pages, 118 passages"},
        {
            "name": "Train and register versions",
            "state": "done",
            "seconds": 31.2,
            "detail": "4 in test, 2 in production",
        },
        {"name": "Start the endpoint", "state": "done", "seconds": 8.9, "detail": "version 1 and 2 warm"},
        {"name": "Ask the questions", "state": "running", "seconds": 22.0, "detail": "212 of 380 answers"},
        {"name": "Write a month of traffic", "state": "waiting", "seconds": None, "detail": ""},
        {"name": "Score the answers", "state": "waiting", "seconds": None, "detail": ""},
    ]
    write_status(settings, "demo", {"state": "building", "steps": steps})


def build(home: Path, *, days: float = 30, per_day: int = 400, now: datetime | None = None) -> Settings:
    """A whole workspace at `home`."""
    now = now or datetime.now(UTC)
    settings = Settings(home=home)
    frame = with_requesters(requests(now, days, per_day))
    write_rows(settings, "metrics_minute", partials(frame, 1))
    write_rows(settings, "metrics_15min", partials(frame, 15))
    write_rows(settings, "metrics_hour", partials(frame, 60))
    write_rows(settings, "metrics_daily_requester", partials(frame, 24 * 60, by_requester=True))
    write_requests(settings, frame)
    price = {**PRICE, "entity_name": "prod.chatbot", "entity_version": "", "effective_from": now - timedelta(days=400)}
    write_rows(settings, "prices", [price])
    write_operations(settings, now)
    return settings


if __name__ == "__main__":
    import sys

    print(json.dumps({"home": str(build(Path(sys.argv[1])).home)}))
