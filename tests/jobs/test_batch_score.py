"""Answering a table with the production version: real model, real tables, every row once."""

import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from jobs import batch_rows
from jobs.batch_score import Champion, Wanted, batch_score, follow, main
from jobs.errors import JobError
from lakehouse.errors import LakehouseError, RowsMixed, TableMissing
from lakehouse.runs import runs
from lakehouse.store import open_table, read_rows
from registry.versions import CHAMPION, client
from settings import Settings
from tests.jobs.batch_workspace import shouting_workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return shouting_workspace(tmp_path_factory.mktemp("batch") / "home")


@pytest.fixture
def settings(workspace: Settings, tmp_path: Path) -> Settings:
    return workspace.model_copy(update={"lake_uri": str(tmp_path / "lake")})


@pytest.fixture
def source(tmp_path: Path) -> str:
    return str(tmp_path / "source")


def write(source: str, prompts: list[str | None], mode: str = "append", **more: Any) -> None:
    start = DeltaTable(source).to_pyarrow_table().num_rows if DeltaTable.is_deltatable(source) else 0
    ids = [f"q{start + number}" for number in range(len(prompts))]
    rows = pa.table({"id": ids, "prompt": pa.array(prompts, pa.string())})
    write_deltalake(source, rows, mode=mode, **more)


def scored(settings: Settings) -> list[dict[str, Any]]:
    rows = read_rows(open_table(settings, "batch_scores")).to_pylist()
    return sorted(rows, key=lambda row: (row["source_version"], row["prompt"] or "", row["row_id"]))


def answers(settings: Settings) -> list[str | None]:
    return [row["answer"] for row in scored(settings)]


def test_every_row_is_answered_once_and_new_ones_when_they_come(settings: Settings, source: str) -> None:
    write(source, ["one", "two", "two"])
    done = batch_score(settings, Wanted(source))
    assert (done.rows_scored, done.rows_unscored, done.rows_waiting) == (3, 0, 0)
    assert answers(settings) == ["ONE", "TWO", "TWO"]
    (first, *_) = scored(settings)
    assert (first["entity_name"], first["entity_version"]) == (settings.prod_model, "1")
    assert first["seconds"] > 0
    assert batch_score(settings, Wanted(source)).rows_read == 0
    write(source, ["three", "two"])
    assert batch_score(settings, Wanted(source)).rows_scored == 2
    assert answers(settings) == ["ONE", "TWO", "TWO", "THREE", "TWO"]
    assert len({row["row_id"] for row in scored(settings)}) == 5
    run = runs(settings, "batch-score", 1)[0]
    assert (run["state"], run["rows_scored"], run["from_version"], run["to_version"]) == ("succeeded", 2, 0, 1)


def test_rows_that_are_the_same_in_everything_are_still_as_many(settings: Settings, source: str) -> None:
    write_deltalake(source, pa.table({"text": ["same", "same", "same"]}))
    assert batch_score(settings, Wanted(source)).rows_scored == 3
    assert answers(settings) == ["SAME"] * 3


def test_with_an_id_column_an_id_is_answered_once(settings: Settings, source: str) -> None:
    write_deltalake(source, pa.table({"id": [1, 2, 2], "prompt": ["a", "b", "b again"]}))
    done = batch_score(settings, Wanted(source, id_column="id"))
    assert (done.rows_scored, done.rows_duplicate) == (2, 1)
    write_deltalake(source, pa.table({"id": [2, 3], "prompt": ["b once more", "c"]}), mode="append")
    done = batch_score(settings, Wanted(source, id_column="id"))
    assert (done.rows_scored, done.rows_duplicate) == (1, 1)
    assert sorted(row["row_id"] for row in scored(settings)) == ["1", "2", "3"]


def test_a_row_without_a_prompt_and_one_that_breaks_the_model_say_why(settings: Settings, source: str) -> None:
    write(source, [None, "break", "fine", ""])
    done = batch_score(settings, Wanted(source, id_column="id"))
    assert (done.rows_scored, done.rows_unscored) == (1, 3)
    errors = {row["row_id"]: row["error"] for row in scored(settings)}
    assert errors == {
        "q0": "The row has no prompt.",
        "q1": "it raised ValueError.",
        "q2": None,
        "q3": "The row has no prompt.",
    }


def test_a_limit_is_kept_and_the_rest_comes_later(
    settings: Settings, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_rows, "ROWS_AT_ONCE", 4)
    write(source, [f"question {number}" for number in range(10)])
    for expected in (3, 3, 3, 1, 0):
        done = batch_score(settings, Wanted(source, limit=3))
        assert done.rows_scored == expected
    assert sorted(answers(settings)) == sorted(f"QUESTION {number}" for number in range(10))


def test_another_champion_answers_what_comes_later(settings: Settings, source: str) -> None:
    write(source, ["one"])
    batch_score(settings, Wanted(source))
    registry = client(settings)
    registry.set_registered_model_alias(settings.prod_model, CHAMPION, "2")
    write(source, ["two"])
    batch_score(settings, Wanted(source))
    registry.set_registered_model_alias(settings.prod_model, CHAMPION, "1")
    assert [row["entity_version"] for row in scored(settings)] == ["1", "2"]


def test_updates_bring_no_rows_where_a_change_data_feed_tells_and_are_refused_where_none_does(
    settings: Settings, source: str, tmp_path: Path
) -> None:
    write(source, ["one", "two"], configuration={"delta.enableChangeDataFeed": "true"})
    batch_score(settings, Wanted(source))
    DeltaTable(source).update(predicate="id = 'q0'", updates={"prompt": "'changed'"})
    assert batch_score(settings, Wanted(source)).rows_read == 0
    blind = str(tmp_path / "blind")
    write(blind, ["three", "four"])
    batch_score(settings, Wanted(blind, id_column="id"))
    merged = pa.table({"id": ["q1", "q2"], "prompt": ["four again", "five"]})
    DeltaTable(blind).merge(
        merged, "t.id = s.id", source_alias="s", target_alias="t"
    ).when_matched_update_all().when_not_matched_insert_all().execute()
    with pytest.raises(RowsMixed, match="--from-present-rows and --id-column"):
        batch_score(settings, Wanted(blind, id_column="id"))
    with pytest.raises(JobError, match="takes --id-column"):
        batch_score(settings, Wanted(blind, from_present_rows=True))
    done = batch_score(settings, Wanted(blind, id_column="id", from_present_rows=True))
    assert (done.rows_scored, done.rows_duplicate) == (1, 2)
    assert batch_score(settings, Wanted(blind, id_column="id")).rows_read == 0


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Wanted("{}", prompt_column="nothing"), "has no column 'nothing'"),
        (Wanted("{}", prompt_column="words", id_column="nothing"), "has no column 'nothing'"),
        (Wanted("{}", prompt_column="number"), "a prompt is text"),
        (Wanted("{}"), "no column called prompt or question or input or text"),
    ],
)
def test_wrong_columns_are_told_with_those_there_are(
    settings: Settings, source: str, wanted: Wanted, said: str
) -> None:
    write_deltalake(source, pa.table({"number": [1], "words": ["one"]}))
    with pytest.raises(JobError, match=said):
        batch_score(settings, Wanted(source, wanted.prompt_column, wanted.id_column))
    assert runs(settings, "batch-score", 1)[0]["state"] == "failed"


@pytest.mark.parametrize("address", ["/nowhere/at/all", "http://127.0.0.1/table", "javascript://x", "", "a\0b"])
def test_what_is_no_table_is_no_source(settings: Settings, address: str) -> None:
    with pytest.raises(TableMissing):
        batch_score(settings, Wanted(address))


def test_without_a_champion_it_says_so(settings: Settings, source: str) -> None:
    write(source, ["one"])
    with pytest.raises(JobError, match="has no @champion"):
        batch_score(settings.model_copy(update={"prod_model": "prod.nobody"}), Wanted(source))


def test_it_follows_further_commits_until_it_is_stopped(
    settings: Settings, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.batch_score.FOLLOW_SECONDS", 0.02)
    write(source, ["one"])
    stopping: list[bool] = []
    seen: list[int] = []
    thread = threading.Thread(
        target=lambda: seen.extend(done.rows_scored for done in follow(settings, Wanted(source), stopping))
    )
    thread.start()
    try:
        for number, prompts in enumerate((["one"], ["two", "three"], ["four"])):
            if number:
                write(source, prompts)
            deadline = time.monotonic() + 30
            while len(seen) <= number:
                assert time.monotonic() < deadline, seen
                assert thread.is_alive()
                time.sleep(0.02)
    finally:
        stopping.append(True)
        thread.join(30)
    assert seen == [1, 2, 1]
    assert sorted(row["answer"] for row in scored(settings)) == ["FOUR", "ONE", "THREE", "TWO"]
    assert len(runs(settings, "batch-score")) == 3, "looking is no run"


def test_a_follower_ends_within_a_run_and_keeps_what_it_has_answered(
    settings: Settings, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping: list[bool] = []

    class Ended(Champion):
        """While it answers the third row, somebody presses Ctrl-C."""

        asked = 0

        def answer(self, row: Any, source_table_id: str, source_version: int) -> dict[str, Any]:
            self.asked += 1
            if self.asked == 3:
                stopping.append(True)
            return super().answer(row, source_table_id, source_version)

    monkeypatch.setattr("jobs.batch_score.Champion", Ended)
    write(source, [f"question {number}" for number in range(20)])
    (done,) = follow(settings, Wanted(source), stopping)
    assert 3 <= done.rows_scored < 6
    assert done.rows_waiting == 20 - done.rows_scored
    assert runs(settings, "batch-score", 1)[0]["state"] == "succeeded"
    assert batch_score(settings, Wanted(source)).rows_scored == 20 - done.rows_scored
    assert len(set(answers(settings))) == len(answers(settings)) == 20


def test_a_follower_outlives_a_round_that_fails(
    settings: Settings, source: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jobs.batch_score.FOLLOW_SECONDS", 0.02)
    write(source, ["one"])
    registry = client(settings)
    stopping: list[bool] = []
    following = follow(settings, Wanted(source), stopping)
    assert next(following).rows_scored == 1
    registry.delete_registered_model_alias(settings.prod_model, CHAMPION)
    write(source, ["two"])
    back = threading.Thread(target=lambda: _champion_again_after_a_failure(settings))
    back.start()
    try:
        assert next(following).rows_scored == 1
    finally:
        back.join(30)
    assert answers(settings) == ["ONE", "TWO"]
    assert "has no @champion" in capsys.readouterr().err
    stopping.append(True)
    assert list(following) == []


def _champion_again_after_a_failure(settings: Settings) -> None:
    deadline = time.monotonic() + 25
    while runs(settings, "batch-score", 1)[0]["state"] != "failed" and time.monotonic() < deadline:
        time.sleep(0.02)
    client(settings).set_registered_model_alias(settings.prod_model, CHAMPION, "1")


def test_a_follower_that_was_given_what_is_wrong_says_so_at_once(settings: Settings, source: str) -> None:
    write(source, ["one"])
    with pytest.raises(JobError, match="has no column 'nothing'"):
        next(follow(settings, Wanted(source, prompt_column="nothing"), []))


def test_a_batch_that_is_cut_off_goes_on_where_it_was(
    settings: Settings, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.batch_score.COMMIT_ROWS", 3)
    monkeypatch.setattr(batch_rows, "ROWS_AT_ONCE", 8)
    prompts = [f"question {number}" for number in range(20)]
    write(source, [*prompts, *prompts[:4]])

    class CutOff(Champion):
        """Ends as Ctrl-C ends it, at the eleventh row."""

        asked = 0

        def answer(self, row: Any, source_table_id: str, source_version: int) -> dict[str, Any]:
            self.asked += 1
            if self.asked == 11:
                raise KeyboardInterrupt
            return super().answer(row, source_table_id, source_version)

    with pytest.raises(KeyboardInterrupt):
        batch_score(settings, Wanted(source), CutOff(settings))
    kept = len(scored(settings))
    assert 8 <= kept <= 10, "at most the three rows of a commit are lost"
    assert batch_score(settings, Wanted(source)).rows_scored == 24 - kept
    assert sorted(answers(settings)) == sorted(prompt.upper() for prompt in [*prompts, *prompts[:4]])


def test_the_command_says_what_is_wrong_with_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["somewhere", "--limit", "0"])
    assert "'0' is no number of rows" in capsys.readouterr().err


def test_two_machines_at_once_do_not_double(settings: Settings, source: str) -> None:
    write(source, ["one", "two", "three"])

    class Overtaken(Champion):
        """While it answers, another machine answers the same table."""

        def answer(self, row: Any, source_table_id: str, source_version: int) -> dict[str, Any]:
            if not read_rows(open_table(settings, "batch_scores")).num_rows:
                batch_score(settings, Wanted(source))
            return super().answer(row, source_table_id, source_version)

    with pytest.raises(LakehouseError):
        batch_score(settings, Wanted(source), Overtaken(settings))
    assert sorted(answers(settings)) == ["ONE", "THREE", "TWO"]
