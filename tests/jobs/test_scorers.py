"""The prepared models and the prices that the metrics job scores with."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.errors import JobError, ModelsNotPrepared
from jobs.prepare import prepare, prepared
from jobs.score import run_score
from jobs.scorers import load_prices, load_scoring_tools
from lakehouse.appends import append
from lakehouse.store import open_table, read_rows
from metrics.engines.preparation import prepare_toxicity
from settings import Settings
from tests.jobs.request_rows import add_requests, chat_response, inference_row

HEADER = "model,version,input_usd_per_million,output_usd_per_million,effective_from\n"


@pytest.fixture
def with_models(settings: Settings, prepared_models: Path) -> Settings:
    settings.models_folder.mkdir(parents=True)
    (settings.models_folder / "perplexity").symlink_to(prepared_models / "perplexity")
    prepare_toxicity("keyword", "", settings.models_folder / "toxicity")
    return settings.model_copy(update={"toxicity_model": "keyword"})


def test_without_prepared_models_the_run_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(ModelsNotPrepared, match="python -m jobs prepare"):
        load_scoring_tools(settings)


def test_models_prepared_for_other_settings_are_not_taken(with_models: Settings) -> None:
    assert prepared(with_models)
    assert not prepared(with_models.model_copy(update={"toxicity_model": "multilingual"}))
    assert not prepared(with_models.model_copy(update={"perplexity_model": "/models/other.gguf"}))
    assert prepared(with_models.model_copy(update={"perplexity_model": "none"}))


def test_preparing_again_changes_nothing_and_names_the_models(
    with_models: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [with_models.models_folder / name for name in ("perplexity", "toxicity")]
    files = {file: file.stat().st_mtime_ns for folder in folders for file in folder.iterdir()}
    assert prepare(with_models) == ["perplexity by smollm2-135m-q4_1", "toxicity by keyword"]
    assert {file: file.stat().st_mtime_ns for folder in folders for file in folder.iterdir()} == files
    assert capsys.readouterr().out == ""


def test_the_real_models_score_a_request_whole_and_name_themselves(with_models: Settings) -> None:
    answer = "The gateway starts with one command. It then waits for the first question."
    add_requests(
        with_models,
        [
            inference_row("r1", response=chat_response(answer)),
            inference_row("r2", response=chat_response(answer)),
            inference_row("rude", response=chat_response("You are a stupid idiot and I hate you.")),
            inference_row("german", response=chat_response("Das Gateway startet mit einem Befehl und wartet dann.")),
            inference_row("surrogate", response='{"choices":[{"message":{"content":"a \\ud800 b"}}]}'),
            inference_row("control", response=chat_response("\x00\x01 \x1b[31mred\x1b[0m \u202eright to left")),
            inference_row("emoji", response=chat_response("🙂👩‍👩‍👧 " * 40)),
        ],
    )
    progress = run_score(with_models, once=True)
    rows = {
        row["databricks_request_id"]: row for row in read_rows(open_table(with_models, "request_metrics")).to_pylist()
    }
    assert progress.rows_scored == len(rows) == 7
    assert rows["r1"]["response_perplexity"] == rows["r2"]["response_perplexity"]
    assert 1 < rows["r1"]["response_perplexity"] < 1000
    assert rows["rude"]["response_toxicity"] > 0.5 > rows["r1"]["response_toxicity"]
    assert rows["r1"]["perplexity_scorer"].startswith("smollm2-135m-q4_1/")
    assert rows["r1"]["toxicity_scorer"].startswith("keyword/")
    assert dict(rows["german"]["unscored"])["response_fk_grade"] == "the text is in German (de)"
    for name in ("surrogate", "control", "emoji"):
        assert rows[name]["response_perplexity"] is not None, name


def test_prices_of_the_own_file_come_before_those_of_the_table(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(HEADER + "prod.chatbot,1,0.5,1.5,2026-01-01\nprod.chatbot,,1,2,2026-02-01T00:00:00+02:00\n")
    row = {"entity_name": "prod.chatbot", "entity_version": "1", "source": "sample"}
    row |= {"input_usd_per_million": 9.0, "output_usd_per_million": 9.0, "effective_from": datetime.now(UTC)}
    append(settings, "prices", [row])
    prices = load_prices(settings.model_copy(update={"prices_file": str(file)}))
    assert [(price.entity_version, price.input_usd_per_million, price.source) for price in prices] == [
        ("1", 0.5, "price file prices.csv"),
        ("", 1.0, "price file prices.csv"),
        ("1", 9.0, "sample"),
    ]
    assert prices[0].effective_from == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("model,version\nm,1\n", "input_usd_per_million"),
        (HEADER + "m,1,free,1,2026-01-01\n", "line 2"),
        (HEADER + "m,1,1,1,2026-01-01\nm,1,1,1,yesterday\n", "line 3"),
        (HEADER + "m,1,-1,1,2026-01-01\n", "line 2"),
        (HEADER + "m,1\n", "line 2"),
        (None, "cannot be read"),
    ],
)
def test_a_wrong_price_file_is_refused_by_its_line(
    settings: Settings, tmp_path: Path, text: str | None, names: str
) -> None:
    file = tmp_path / "prices.csv"
    if text is not None:
        file.write_text(text)
    with pytest.raises(JobError, match=names):
        load_prices(settings.model_copy(update={"prices_file": str(file)}))


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"effective_from": None}, r"model m\) has nothing in effective_from; delete the row"),
        ({"source": None, "input_usd_per_million": None}, "has nothing in input_usd_per_million, source"),
        ({"output_usd_per_million": -1.0}, "is not a price: The output_usd_per_million of m is -1.0"),
    ],
)
def test_a_wrong_row_of_the_price_table_is_told_in_one_sentence(
    settings: Settings, columns: dict[str, Any], sentence: str
) -> None:
    price = {"entity_name": "m", "input_usd_per_million": 1.0, "output_usd_per_million": 2.0, "source": "list"}
    append(settings, "prices", [{**price, "effective_from": datetime(2026, 1, 1, tzinfo=UTC), **columns}])
    with pytest.raises(JobError, match=sentence):
        load_prices(settings)
