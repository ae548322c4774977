"""What the Safety page says was flagged equals what the single rows say."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from scipy.stats import binomtest

from dashboard.periods import Period, period
from dashboard.queries.lake import look_again
from dashboard.queries.safety import flags, flags_by_requester, is_exact
from dashboard.queries.safety_answers import answers_to_toxic_prompts
from dashboard.queries.safety_flags import precision, triage
from dashboard.queries.safety_rows import ScoredRequests, scored_requests, toxicity_labels
from dashboard.queries.safety_texts import most_toxic_prompts, words
from dashboard.queries.safety_toxicities import COLUMNS, whole_rows
from lakehouse.flags import FlaggedRequest, record_decisions
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month

SCORER = workspace.SCORERS["toxicity_scorer"]


def within(rows: pd.DataFrame, span: Period) -> pd.DataFrame:
    return rows[(rows["request_time"] >= span.start) & (rows["request_time"] < span.end)]


def toxic(rows: pd.DataFrame, threshold: float = 0.5) -> pd.DataFrame:
    return rows[rows[["prompt_toxicity", "response_toxicity"]].max(axis=1) >= threshold]


def scored(span: Period, threshold: float = 0.5) -> ScoredRequests:
    return scored_requests("chatbot", span, threshold, flags("chatbot", span, threshold))


def rows_of_flagged(found: ScoredRequests) -> pd.DataFrame:
    return whole_rows(found.source, found.flagged)


def ids(found: ScoredRequests) -> set[str]:
    return set(rows_of_flagged(found)["databricks_request_id"])


def fill(settings: Settings, rows: pd.DataFrame) -> None:
    workspace.write_requests(settings, rows)
    for table, minutes in (("metrics_minute", 1), ("metrics_15min", 15)):
        workspace.write_rows(settings, table, workspace.partials(rows, minutes))
    daily = workspace.partials(rows, 24 * 60, by_requester=True)
    workspace.write_rows(settings, "metrics_daily_requester", daily)


def decided(request_id: str, toxicity: float, scorer: str = SCORER) -> FlaggedRequest:
    return FlaggedRequest(request_id, None, "chatbot", "prod.chatbot", "2", toxicity, 0.01, scorer, 0.5)


@pytest.mark.parametrize("name", ["24h", "7d", "30d"])
def test_flags_over_time_are_those_of_the_single_rows(month: Month, name: str) -> None:
    span = period(name, month.now)
    rows = within(month.rows, span)
    found = flags("chatbot", span, 0.5)
    assert found.scorer == SCORER
    bins = ((rows["request_time"] - span.start).dt.total_seconds() // span.bin_seconds).astype(int)
    for column, counts, shares, total in (
        ("prompt_toxicity", found.over_time.prompts, found.over_time.prompt_shares, found.total.prompts),
        ("response_toxicity", found.over_time.answers, found.over_time.answer_shares, found.total.answers),
    ):
        scored = rows[column].dropna()
        flagged = (scored >= 0.5).groupby(bins[scored.index]).agg(["sum", "mean"]).reindex(range(span.bins))
        assert counts.tolist() == flagged["sum"].fillna(0).tolist()
        np.testing.assert_allclose(shares, flagged["mean"].astype(float))
        assert (total.n, total.flagged) == (len(scored), (scored >= 0.5).sum())
        interval = binomtest(int(total.flagged), total.n).proportion_ci(0.95, "wilson")
        assert (total.low, total.high) == pytest.approx((interval.low, interval.high), abs=1e-9)


def test_flags_by_version_and_by_requester_are_those_of_the_single_rows(month: Month) -> None:
    span = period("30d", month.now)
    rows = within(month.rows, span)
    found = flags("chatbot", span, 0.5)
    assert [one.name for one in found.by_version] == ["prod.chatbot/2", "prod.chatbot/1"]
    for one in found.by_version:
        own = rows[rows["entity_version"] == one.name[-1]]
        assert one.prompts.share == pytest.approx((own["prompt_toxicity"] >= 0.5).mean())
        assert one.answers.n == own["response_toxicity"].notna().sum()
    # Requesters are counted by whole UTC days.
    by = flags_by_requester("chatbot", span, 0.5, SCORER)
    days = month.rows[(month.rows["request_time"] >= by.start) & (month.rows["request_time"] < by.end)]
    expected = (days["prompt_toxicity"] >= 0.5).groupby(days["requester"]).agg(["sum", "count"])
    expected = expected.sort_values(["sum", "count"], ascending=False)
    assert [(one.name, one.prompts.flagged, one.prompts.n) for one in by.figures] == [
        (name, row["sum"], row["count"]) for name, row in expected.iterrows()
    ]
    assert by.requesters == len(expected)


def test_a_threshold_that_the_buckets_do_not_have_is_said_and_nearly_right(month: Month) -> None:
    span = period("30d", month.now)
    assert is_exact(0.5)
    assert not is_exact(0.7)
    found = flags("chatbot", span, 0.7).total.prompts
    values = within(month.rows, span)["prompt_toxicity"]
    assert (values >= 0.7 * 1.02).sum() <= found.flagged <= (values >= 0.7).sum()


def test_two_scorers_are_never_mixed(month: Month, empty: Settings) -> None:
    other = month.rows.iloc[::10].assign(
        toxicity_scorer="another/1",
        prompt_toxicity=1.0,
        databricks_request_id=lambda rows: rows.index.map("x{}".format),
    )
    fill(empty, pd.concat([month.rows.tail(300), other.tail(20)]))
    span = period("30d", month.now)
    found = flags("chatbot", span, 0.5)
    assert (found.scorer, found.others) == (SCORER, ("another/1",))
    assert found.total.prompts.n == 300
    assert scored(span).flagged_total == len(toxic(month.rows.tail(300)))


def test_every_flag_is_there_the_most_toxic_first_and_all_the_others(month: Month) -> None:
    span = period("30d", month.now)
    rows = within(month.rows, span)
    found = scored(span)
    assert ids(found) == set(toxic(rows)["databricks_request_id"])
    assert (np.diff(found.flagged.larger) <= 0).all()
    assert tuple(whole_rows(found.source, found.others).columns) == COLUMNS
    assert set(whole_rows(found.source, found.others)["databricks_request_id"]) == set(
        rows["databricks_request_id"]
    ) - ids(found)
    assert found.one_in == 1
    assert len(found.flagged) + len(found.others) == len(rows) == found.flagged_total + found.others_total


def test_a_sample_of_the_others_is_stated_and_the_flags_stay_whole(
    month: Month, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.queries.safety_rows.ALL_UP_TO", 1_000)
    monkeypatch.setattr("dashboard.queries.safety_rows.MOST_OTHERS", 200)
    span = period("30d", month.now)
    rows = within(month.rows, span)
    found = scored(span)
    assert found.one_in == -(-len(rows) // 200)
    assert len(found.others) == pytest.approx(len(rows) / found.one_in, rel=0.35)
    assert found.others_total == len(rows) - len(toxic(rows))
    assert ids(found) == set(toxic(rows)["databricks_request_id"])
    # The same requests whenever it is asked: by their times, not by chance.
    st.cache_resource.clear()
    assert scored(span).others.keys() == found.others.keys()


def test_of_a_long_time_the_newest_part_is_read_one_by_one(month: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.queries.safety_rows.MOST_READ", 500)
    span = period("30d", month.now)
    found = scored(span)
    assert span.start < found.period.start < found.period.end == span.end
    rows = within(month.rows, found.period)
    assert len(rows) <= 500 < len(within(month.rows, Period(found.period.start - timedelta(hours=12), span.end, 60)))
    assert len(found.flagged) + len(found.others) == len(rows)
    assert len(found.flagged) == len(toxic(rows))
    monkeypatch.setattr("dashboard.queries.safety_rows.MOST_READ", 0)
    assert scored(span).period.length == timedelta(hours=12)


def test_of_more_flags_than_are_read_the_most_toxic_are_and_all_are_counted(
    month: Month, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.queries.safety_rows.MOST_FLAGGED", 10)
    span = period("30d", month.now)
    found = scored(span)
    expected = toxic(within(month.rows, span)).nlargest(10, "prompt_toxicity")
    assert found.flagged.prompt.tolist() == expected["prompt_toxicity"].tolist()
    assert found.flagged_total == len(toxic(within(month.rows, span)))
    assert len(found.others) == found.others_total == len(within(month.rows, span)) - found.flagged_total


def test_a_toxicity_that_was_given_later_counts(month: Month, empty: Settings) -> None:
    rows = month.rows.tail(50).copy()
    late = rows.index[0]
    rows.loc[late, ["prompt_toxicity", "toxicity_scorer"]] = [np.nan, None]
    fill(empty, rows)
    row = rows.loc[late]
    score = {"metric": "prompt_toxicity", "weight": 1.0, "scored_at": month.now, "value": 0.87}
    request = {"databricks_request_id": row["databricks_request_id"], "request_date": row["request_time"].date()}
    given = [{**request, **score, "scorer": SCORER}, {**request, **score, "scorer": "another/1", "value": 0.1}]
    workspace.write_rows(empty, "request_scores", given)
    found = rows_of_flagged(scored(period("30d", month.now)))
    assert found.set_index("databricks_request_id").loc[row["databricks_request_id"], "prompt_toxicity"] == 0.87


def test_answers_to_toxic_prompts_are_compared_with_those_to_the_others(month: Month) -> None:
    span = period("30d", month.now)
    found = answers_to_toxic_prompts(scored(span), 0.5)
    rows = within(month.rows, span).dropna(subset=["prompt_toxicity", "response_toxicity"])
    above = rows["prompt_toxicity"] >= 0.5
    for side, own in ((found.to_flagged, rows[above]), (found.to_others, rows[~above])):
        assert side.flagged.n == len(own)
        assert side.mean == pytest.approx(own["response_toxicity"].mean())
        expected = np.quantile(own["response_toxicity"], [0.05, 0.25, 0.5, 0.75, 0.95], method="inverted_cdf")
        assert list(side.quantiles) == pytest.approx(list(expected))
    difference = rows[above]["response_toxicity"].mean() - rows[~above]["response_toxicity"].mean()
    assert found.comparison.difference == pytest.approx(difference)


def test_a_sampled_score_is_weighted(month: Month, empty: Settings) -> None:
    thin = workspace.sampled(month.rows.tail(400), 4)
    fill(empty, thin)
    span = period("30d", month.now)
    found = flags("chatbot", span, 0.5)
    sample = thin.dropna(subset=["prompt_toxicity"])
    assert found.total.prompts.n == len(sample)
    assert found.total.prompts.flagged == 4 * (sample["prompt_toxicity"] >= 0.5).sum()
    assert found.prompt_sample is not None
    assert found.prompt_sample.scored == len(sample)
    assert set(scored(span).flagged.weight) == {4.0}
    # As `rescore` leaves it: the others are given, and of those in the sample three quarters of the weight taken back.
    row = sample[sample["prompt_toxicity"] >= 0.5].iloc[0]
    correction = {
        "databricks_request_id": row["databricks_request_id"],
        "request_date": row["request_time"].date(),
        "metric": "prompt_toxicity",
        "scorer": row["toxicity_scorer"],
        "value": row["prompt_toxicity"],
        "weight": -3.0,
        "scored_at": month.now,
    }
    workspace.write_rows(empty, "request_scores", [correction])
    look_again("request_scores")
    weights = rows_of_flagged(scored(span)).set_index("databricks_request_id")["weight"]
    assert weights.pop(row["databricks_request_id"]) == 1.0
    assert set(weights) == {4.0}


def test_the_last_decision_of_a_flag_holds_and_open_ones_come_first(month: Month, empty: Settings) -> None:
    rows = month.rows.tail(200)
    fill(empty, rows)
    named = toxic(rows).sort_values("prompt_toxicity", ascending=False)["databricks_request_id"].tolist()
    record_decisions(empty, [decided(named[0], 0.9), decided(named[1], 0.9)], "confirmed", actor="ana", role="operator")
    record_decisions(empty, [decided(named[0], 0.9)], "dismissed", label="false alarm", actor="ben", role="operator")
    record_decisions(empty, [decided(named[2], 0.9)], "confirmed", actor="ana", role="operator")
    record_decisions(empty, [decided(named[2], 0.9)], "open", actor="ana", role="operator")
    span = period("30d", month.now)
    found = triage("chatbot", span, 0.5, flags("chatbot", span, 0.5))
    assert found.counts == {"open": len(named) - 2, "confirmed": 1, "dismissed": 1}
    rows = found.rows(found.places())
    assert rows["databricks_request_id"].tolist() == [*named[2:], *named[:2]]
    assert found.rows(found.places("dismissed"))["databricks_request_id"].tolist() == named[:1]
    last = rows.set_index("databricks_request_id").loc[named[0]]
    assert (last["state"], last["label"], last["actor"]) == ("dismissed", "false alarm", "ben")


def test_requests_of_one_time_and_toxicity_are_told_apart_by_what_was_decided(month: Month, empty: Settings) -> None:
    rows = toxic(month.rows).tail(3).copy()
    for column in ("request_time", "prompt_toxicity", "response_toxicity"):
        rows[column] = rows[column].iloc[0]
    rows["entity_version"] = "2"
    fill(empty, rows)
    named = sorted(rows["databricks_request_id"])
    record_decisions(empty, [decided(named[1], 0.9)], "confirmed", actor="ana", role="operator")
    span = period("30d", month.now)
    found = triage("chatbot", span, 0.5, flags("chatbot", span, 0.5))
    assert found.counts == {"open": 2, "confirmed": 1, "dismissed": 0}
    assert sorted(found.rows(found.places("open"))["databricks_request_id"]) == [named[0], named[2]]
    assert found.rows(found.places("confirmed"))["databricks_request_id"].tolist() == [named[1]]
    assert len(found.rows(found.places())) == 3


def test_precision_is_of_the_decided_flags_of_one_scorer_at_the_threshold(month: Month, empty: Settings) -> None:
    for number in range(10):
        decision = "confirmed" if number < 7 else "dismissed"
        record_decisions(empty, [decided(f"r{number}", 0.6 + number / 100)], decision, actor="ana", role="operator")
    record_decisions(empty, [decided("r10", 0.9, "another/1")], "dismissed", actor="ana", role="operator")
    record_decisions(empty, [decided("r11", 0.9)], "open", actor="ana", role="operator")
    found = precision("chatbot", 0.5, SCORER)
    interval = binomtest(7, 10).proportion_ci(0.95, "wilson")
    assert (found.confirmed, found.decided, found.share) == (7, 10, 0.7)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert precision("chatbot", 0.645, SCORER).decided == 5
    assert precision("elsewhere", 0.5, SCORER).decided == 0


def test_the_same_toxic_text_is_one_row_with_its_requests(month: Month) -> None:
    span = period("30d", month.now)
    flagged = rows_of_flagged(scored(span))
    found = most_toxic_prompts(triage("chatbot", span, 0.5, flags("chatbot", span, 0.5)), 0.5)
    top = flagged.sort_values("prompt_toxicity", ascending=False).head(30)
    said = pd.Series({request_id: one.prompt for request_id, one in words(top).items()})
    assert {one.prompt: one.times for one in found} == said.value_counts().to_dict()
    assert [one.toxicity for one in found] == sorted((one.toxicity for one in found), reverse=True)
    times = top.set_index("databricks_request_id")["request_time"]
    for one in found:
        assert one.time == times[said.index[said == one.prompt]].max()


def test_labels_of_the_model_are_read_and_missing_ones_are_none(month: Month) -> None:
    request_id = str(month.rows["databricks_request_id"].iloc[-1])
    assert toxicity_labels(request_id, period("30d", month.now)) == {}


def test_a_period_without_requests_is_nothing_not_zero(month: Month) -> None:
    long_ago = Period(month.now - timedelta(days=300), month.now - timedelta(days=299), 1800)
    found = flags("chatbot", long_ago, 0.5)
    assert np.isnan(found.total.prompts.share)
    assert np.isnan(found.over_time.prompt_shares).all()
    assert found.by_version == ()
