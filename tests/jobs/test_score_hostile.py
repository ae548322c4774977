"""The whole metrics job over rows that are out to break it: every other row comes out as if they were not there."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers

from jobs.score import run_score
from jobs.scorers import ScoringTools, load_scoring_tools
from lakehouse.store import open_table, read_rows
from lakehouse.tables import INFERENCE_TABLE
from metrics.engines.perplexity import PerplexityEngine
from metrics.engines.preparation import prepare_toxicity
from metrics.scoring import TextCache
from settings import Settings
from tests.jobs.request_rows import NOON, add_requests, chat_request, chat_response, inference_row

SCORES = (
    *("response_perplexity", "prompt_perplexity", "response_fk_grade", "prompt_fk_grade", "response_reading_ease"),
    *("response_ari", "response_toxicity", "prompt_toxicity"),
)
TEN_MEGABYTES = 10_000_000
Load = Callable[[Settings], ScoringTools]


def surprise(ids: NDArray[np.int32]) -> NDArray[np.float32]:
    """A model for the real engine, whose likelihoods rest on two neighbouring tokens and cost nothing."""
    return (1 + (ids[:, 1:] * 31 + ids[:, :-1]) % 97 / 97).astype(np.float32)


def byte_tokenizer() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {character: i for i, character in enumerate(["<first>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """The job's own scorers, loaded once: keyword classifier, language detector, and the engine with a small model."""
    folder = tmp_path_factory.mktemp("prepared")
    settings = Settings(home=folder, perplexity_model="none", toxicity_model="keyword")
    prepare_toxicity("keyword", "", settings.models_folder / "toxicity")
    tools = load_scoring_tools(settings)
    engine = PerplexityEngine("neighbours/python/1", byte_tokenizer(), surprise, 0, 2048, 1024)
    scorers = replace(tools.scorers, perplexity=engine)
    return lambda _: replace(tools, scorers=scorers, cache=TextCache())


GOOD_ANSWERS = (
    "Type make run, and wait until the address appears. Then open it in a browser.",
    "It's 42; don't ask why. The U.S. office opens at 9.30 — except on Mondays!",
    "Bitte starten Sie das Gateway und warten Sie einen Augenblick, bis die Adresse erscheint.",
    "def start(port):\n\treturn f'http://127.0.0.1:{port}'  # 8765\n",
    "You are an idiot, and so is your damn gateway.",
    "ok",
    "🙂 Sure! Here is a list:\n- one thing\n- another thing, which is longer\n- the last one 🙃",
    "The previous version stays warm. " * 40,
)


def good_rows() -> list[dict[str, Any]]:
    return [
        inference_row(
            f"good-{number}",
            request_time=NOON + timedelta(seconds=number),
            response=chat_response(answer, (5, 7) if number % 2 else None),
        )
        for number, answer in enumerate(GOOD_ANSWERS)
    ]


def score(settings: Settings, load: Load) -> dict[str, dict[str, Any]]:
    """The rows of request_metrics by id after a run."""
    run_score(settings, once=True, load=load)
    rows = read_rows(open_table(settings, "request_metrics")).drop_columns(["scored_at"]).to_pylist()
    assert len({row["databricks_request_id"] for row in rows}) == len(rows)
    return {row["databricks_request_id"]: {**row, "unscored": dict(row["unscored"] or [])} for row in rows}


@pytest.fixture(scope="module")
def undisturbed(load: Load, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The good rows as they come out alone."""
    settings = Settings(home=tmp_path_factory.mktemp("alone"))
    add_requests(settings, good_rows())
    rows = score(settings, load)
    english = rows["good-0"]
    assert all(english[name] is not None for name in (*SCORES, "prompt_tokens"))
    assert english["unscored"].keys() == {"cost_usd"}
    assert "German" in rows["good-2"]["unscored"]["response_fk_grade"]
    return rows


def check_good_rows(rows: dict[str, dict[str, Any]], undisturbed: dict[str, dict[str, Any]]) -> None:
    for name, expected in undisturbed.items():
        assert rows[name] == expected, name


def disturbed(
    settings: Settings, load: Load, undisturbed: dict[str, dict[str, Any]], bad: list[dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The bad rows after a run in which they stood between the good ones; each is there, each null has its reason."""
    good = good_rows()
    add_requests(settings, [*good[:4], *bad, *good[4:]])
    rows = score(settings, load)
    assert len(rows) == len(good) + len(bad)
    check_good_rows(rows, undisturbed)
    found = {name: row for name, row in rows.items() if name not in undisturbed}
    for name, row in found.items():
        for metric in (*SCORES, "prompt_tokens", "completion_tokens", "cost_usd"):
            assert (row[metric] is None) == bool(row["unscored"].get(metric)), (name, metric)
    return found


def nested(depth: int, middle: str = '"deep"') -> str:
    return '{"a":' * depth + middle + "}" * depth


LONG = "The gateway waits for its worker. "
FLOODS = {
    "a text of ten megabytes": LONG * (TEN_MEGABYTES // len(LONG)),
    "one word of a megabyte": "supercalifragilistic" * 50_000,
    "one line of digits": "1234567890" * 10_000,
    "emoji": "🙂👩‍👩‍👧‍👦🇩🇪" * 2_000,
    "zero width": "\u200b\u200c\u200d\ufeff\u2060" * 4_000,
    "controls": "".join(map(chr, range(32))) * 600,
    "directions": "\u202e\u2066\u202c" * 6_000,
    "combining marks": "a" + "\u0301" * 20_000,
    "line ends": "\r\n\u2028\u2029\x0b\x85" * 4_000,
    "sentence ends": ".!?" * 10_000,
    "apostrophes": "'" * 30_000,
    "white space": " \t\u3000" * 10_000,
    "half characters": "x\ud800y\udc00" * 5_000,
    "nulls": "\x00" * 20_000,
    "no letters": "{[(<>)]}" * 4_000,
    "model marks": "<|im_start|><s></s><first>" * 1_000,
}


def test_floods_of_text_disturb_no_other_row(
    settings: Settings, load: Load, undisturbed: dict[str, dict[str, Any]]
) -> None:
    bad = [
        inference_row(name, request=chat_request(flood), response=chat_response(flood, None))
        for name, flood in FLOODS.items()
    ]
    rows = disturbed(settings, load, undisturbed, bad)
    assert rows["a text of ten megabytes"]["response_fk_grade"] is not None
    assert rows["a text of ten megabytes"]["response_chars"] == len(FLOODS["a text of ten megabytes"])
    assert "longer than 1,000,000 characters" in rows["a text of ten megabytes"]["unscored"]["completion_tokens"]
    for name in ("emoji", "zero width", "sentence ends", "white space", "nulls", "no letters"):
        assert rows[name]["unscored"]["response_fk_grade"] == "the text has no words", name


HUGE_NUMBERS = {"prompt_tokens": 10**30, "completion_tokens": -5, "total_tokens": 1e308}
BODIES: dict[str, dict[str, Any]] = {
    "deep objects": {"request": nested(100_000), "response": nested(200_000)},
    "deep lists": {"request": "[" * 200_000 + "]" * 200_000, "response": "[" * 1_000_000},
    "deep wrappers": {"response": '{"predictions":' * 500 + "[]" + "}" * 500},
    "deep within a chat": {"request": '{"messages":[{"role":"user","content":' + nested(900) + "}]}"},
    "encoded again and again": {"response": json.dumps(json.dumps(json.dumps(json.dumps("What?"))))},
    "huge numbers": {"response": "9" * 4_000_000},
    "huge exponents": {"response": '{"choices":[{"message":{"content":"Fine."}}],"usage":{"prompt_tokens":1e999}}'},
    "huge usage": {"response": json.dumps({"choices": [{"message": {"content": "Fine."}}], "usage": HUGE_NUMBERS})},
    "half characters as escapes": {"response": '{"choices":[{"message":{"content":"It is \\ud83d half. \\udc00"}}]}'},
    "names without end": {"response": json.dumps({"x" * 1_000_000: "y"})},
    "very many names": {"response": json.dumps({str(number): number for number in range(100_000)})},
    "very many turns": {
        "request": json.dumps({"messages": [{"role": "user", "content": "again"}] * 50_000}),
        "response": chat_response("Again? Why is that so?", None),
    },
    "very many events": {"response": 'data: {"delta": {"content": "a "}}\n\n' * 50_000},
    "lines that are no events": {"response": "{odd\n" * 200_000},
    "wrong types": {"response": '{"choices": {"message": 1}, "output": 7, "messages": {"a": []}, "usage": "much"}'},
    "a clock of the past": {"request_time": datetime(1970, 1, 1, tzinfo=UTC)},
    "a status beyond reason": {"status_code": -(2**31)},
    "a duration beyond reason": {"execution_duration_ms": 2**63 - 1},
    "a fraction that is none": {"sampling_fraction": float("nan")},
}


def test_bodies_that_are_out_to_break_the_reader_disturb_no_other_row(
    settings: Settings, load: Load, undisturbed: dict[str, dict[str, Any]]
) -> None:
    rows = disturbed(settings, load, undisturbed, [inference_row(name, **row) for name, row in BODIES.items()])
    for name in ("deep objects", "deep lists", "deep wrappers"):
        assert "nested too deeply" in rows[name]["unscored"]["response_fk_grade"], name
    for name in ("huge usage", "huge exponents"):
        assert rows[name]["prompt_tokens"] < 1000
        assert "neighbours/tokenizer" in rows[name]["token_source"]


def test_ten_thousand_empty_texts_disturb_no_other_row(
    settings: Settings, load: Load, undisturbed: dict[str, dict[str, Any]]
) -> None:
    bad = [
        inference_row(f"empty-{number}", request=chat_request(""), response=chat_response(""))
        for number in range(10_000)
    ]
    rows = disturbed(settings, load, undisturbed, bad)
    assert {row["unscored"]["response_perplexity"] for row in rows.values()} == {"the response is an empty text"}
    assert {row["unscored"]["prompt_toxicity"] for row in rows.values()} == {"the prompt is an empty text"}


def as_milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)


WRONG_TYPES: dict[str, tuple[str, pa.DataType, Callable[[Any], Any], Any, str | None]] = {
    "request as bytes": ("request", pa.binary(), str.encode, b'\xff\xfe{"', "prompt_fk_grade"),
    "request as a structure": (
        "request",
        pa.struct({"messages": pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))}),
        json.loads,
        {"messages": None},
        "prompt_fk_grade",
    ),
    "status as text": ("status_code", pa.string(), str, "teapot", "status_code"),
    "status as a fraction": ("status_code", pa.float64(), float, 1e300, "status_code"),
    "time as milliseconds": ("request_time", pa.int64(), as_milliseconds, -1, None),
    "time as text": ("request_time", pa.string(), datetime.isoformat, "yesterday", "request_time"),
    "date as text": ("request_date", pa.string(), str, "the day before", "request_date"),
    "duration as a fraction": ("execution_duration_ms", pa.float64(), float, float("inf"), "execution_duration_ms"),
    "error codes as text": ("logging_error_codes", pa.string(), lambda _: None, "MAX_RESPONSE_SIZE_EXCEEDED", None),
    "requester as a number": ("requester", pa.string(), str, "7", None),
}


@pytest.mark.parametrize("case", WRONG_TYPES)
def test_a_wrong_typed_column_of_a_foreign_table_disturbs_no_other_row(
    tmp_path: Path, load: Load, undisturbed: dict[str, dict[str, Any]], case: str
) -> None:
    column, kind, convert, wrong, noted = WRONG_TYPES[case]
    settings = Settings(home=tmp_path / "home", inference_table_uri=str(tmp_path / "foreign"))
    schema = pa.schema([field.with_type(kind) if field.name == column else field for field in INFERENCE_TABLE.schema])
    rows = [{**row, column: convert(row[column])} for row in good_rows()]
    rows.insert(3, {**inference_row("bad"), column: wrong})
    write_deltalake(settings.inference_table_uri, pa.Table.from_pylist(rows, schema=schema))
    found = score(settings, load)
    check_good_rows(found, undisturbed)
    assert noted is None or found["bad"]["unscored"][noted]


def test_a_column_whose_every_value_is_of_another_kind_takes_only_its_own_scores(
    tmp_path: Path, load: Load, undisturbed: dict[str, dict[str, Any]]
) -> None:
    settings = Settings(home=tmp_path / "home", inference_table_uri=str(tmp_path / "foreign"))
    schema = pa.schema(
        [field.with_type(pa.int64()) if field.name == "request" else field for field in INFERENCE_TABLE.schema]
    )
    rows = [{**row, "request": number} for number, row in enumerate(good_rows())]
    write_deltalake(settings.inference_table_uri, pa.Table.from_pylist(rows, schema=schema))
    for name, row in score(settings, load).items():
        assert row["unscored"]["prompt_fk_grade"] == "the request has no shape that holds a question"
        for metric in ("response_fk_grade", "response_reading_ease", "response_toxicity", "response_chars"):
            assert row[metric] == undisturbed[name][metric]


def test_texts_that_are_no_utf_8_disturb_no_other_row(
    tmp_path: Path, load: Load, undisturbed: dict[str, dict[str, Any]]
) -> None:
    settings = Settings(home=tmp_path / "home", inference_table_uri=str(tmp_path / "foreign"))
    rows = pa.Table.from_pylist([*good_rows(), inference_row("bad")], schema=INFERENCE_TABLE.schema)
    texts = [text.encode() for text in rows["response"].to_pylist()]
    texts[-1] = chat_response("Fine \u00e9 so far.").replace("Fine", "Fin").encode("latin-1") + b"\xff"
    damaged = pa.array(texts, pa.binary())
    text_column = pa.StringArray.from_buffers(len(texts), *damaged.buffers()[1:])
    position = rows.schema.get_field_index("response")
    write_deltalake(settings.inference_table_uri, rows.set_column(position, rows.schema.field(position), text_column))
    found = score(settings, load)
    check_good_rows(found, undisturbed)
    assert found["bad"]["unscored"]["response_fk_grade"] == "the response is not JSON"
