"""Evidence: which words of an answer were read, where, and which names were not."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision.evidence import box_of, mentions, not_found
from vision.reading import Component, Connection, Container, LegendEntry, Reading, Step, Text

BOX = (1, 2, 3, 4)
READING = Reading(
    1000,
    800,
    components=(
        Component("c1", "Staging (main)", BOX),
        Component("c2", "Feature table", BOX, "k1"),
        Component("c3", "Feature table", (5, 6, 7, 8), "k1"),
        Component("c4", "Release", BOX),
        Component("c5", "ad", BOX),
        Component("c6", "OpenTelemetry SDK (with OTLP exporter)", BOX),
        Component("c7", "DB", BOX),
        Component("c8", "worker 1", BOX),
        Component("c9", "proc_1", BOX),
        Component("c10", "Stage: None", BOX),
    ),
    containers=(Container("k1", "Lakehouse – production data", BOX),),
    connections=(Connection("c1", "c4", True, "Cut release branch", "#000000", "dashed", 0.9, True, (10, 10, 20, 20)),),
    legend=(LegendEntry("Reads", "#1a4fb4", "solid", (30, 30, 40, 40)),),
    steps=(Step("3", "Commit code", None, (50, 50, 60, 60)), Step("3.a", "Merge", None, (70, 70, 80, 80))),
    text=(Text("Commit code", BOX, 0.9), Text("Copyright 2024 by the authors", (90, 90, 99, 99), 0.9)),
)


def regions(answer: str) -> dict[str, tuple[str, ...]]:
    return {mention.text: mention.regions for mention in mentions(answer, READING)}


def unread(answer: str) -> list[str]:
    return [mention.text for mention in not_found(answer, READING)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("It is **Staging (main)**.", {"Staging (main)": ("c1",)}),
        ("The feature table is there.", {"feature table": ("c2", "c3")}),
        ("In the `lakehouse - production data`.", {"lakehouse - production data": ("k1",)}),
        ("Worker1 writes.", {"Worker1": ("c8",)}),
        ("Then **Stage: None** follows.", {"Stage: None": ("c10",)}),
        ("**proc\\_1** writes.", {"proc\\_1": ("c9",)}),
        ("The OpenTelemetry SDK sends.", {"OpenTelemetry SDK": ("c6",)}),
        ("**cut release branch**", {"cut release branch": ("connection-0",)}),
        ("Blue means **Reads**.", {"Reads": ("legend-0",)}),
        ("Step 3: **Commit code**.", {"Step 3": ("step-0",), "Commit code": ("step-0",)}),
        ("**3.a** comes last.", {"3.a": ("step-1",)}),
        ("It says copyright 2024 by the authors.", {"copyright 2024 by the authors": ("text-1",)}),
    ],
)
def test_text_read_is_found_in_an_answer(answer: str, expected: dict[str, tuple[str, ...]]) -> None:
    assert regions(answer) == expected


@pytest.mark.parametrize(
    "answer", ["We release an ad on paper.", "Step 4 is none.", "The db of feature tables.", "**Features**. Table"]
)
def test_words_of_the_sentence_are_not_taken_for_names(answer: str) -> None:
    assert regions(answer) == {}


def test_a_short_name_counts_where_it_is_marked_or_written_as_read() -> None:
    assert regions("The **ad** and the DB, and the Release.") == {"ad": ("c5",), "DB": ("c7",), "Release": ("c4",)}


def test_the_longest_name_wins_and_none_stands_inside_another() -> None:
    assert regions("**OpenTelemetry SDK (with OTLP exporter)**") == {
        "OpenTelemetry SDK (with OTLP exporter)": ("c6",),
    }


def test_every_region_has_a_box() -> None:
    answer = "Step 3 **Commit code** goes by **Cut release branch** to **Release**; **Reads**. **Feature table**"
    boxes = {region: box_of(READING, region) for mention in mentions(answer, READING) for region in mention.regions}
    assert boxes["step-0"] == (50, 50, 60, 60)
    assert boxes["connection-0"] == (10, 10, 20, 20)
    assert boxes["legend-0"] == (30, 30, 40, 40)
    assert boxes["c3"] == (5, 6, 7, 8)
    assert box_of(READING, "text-1") == (90, 90, 99, 99)


def test_two_badges_with_one_number_are_both_lit_and_each_is_where_it_stands() -> None:
    first, second = Step("1", "Commit", None, (1, 1, 9, 9)), Step("1", "Deploy", None, (50, 1, 59, 9))
    reading = Reading(100, 100, steps=(first, Step("2", "Build", None, (20, 1, 29, 9)), second))
    step, label = mentions("Step 1 ends with **Deploy**.", reading)
    assert (step.regions, label.regions) == (("step-0", "step-2"), ("step-2",))
    assert [box_of(reading, region) for region in step.regions] == [first.box, second.box]


@pytest.mark.parametrize("region", ["c99", "step-9", "text-2", "connection-x", ""])
def test_a_region_that_is_not_there_is_refused(region: str) -> None:
    with pytest.raises(KeyError):
        box_of(READING, region)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("It is sent to Apache Kafka and then to **Snowflake**.", ["Apache Kafka", "Snowflake"]),
        ("- Kafka: a broker\n- **Redis cache**: a cache", ["Kafka", "Redis cache"]),
        ("1. PostgreSQL stores it, Amazon S3 holds it.", ["PostgreSQL", "Amazon S3"]),
        ("The code goes to `redis`.", ["redis"]),
        ("### Payment gateway\n\nIt is there.", ["Payment gateway"]),
        ("The **Feature store** and the **Feature table**.", ["Feature store"]),
        ("**Step 7** comes after step 3 and Step 3.a.", ["Step 7"]),
        ("| from | to |\n|---|---|\n| Cassandra | Release |\n| Pushes the model | Feature table |", ["Cassandra"]),
        ("It flows from Staging to Feature Store, as shown.", ["Feature Store"]),
        ("**Git** is not what was read.", ["Git"]),
        ("## 2. Message broker\n\nIt is there.", ["Message broker"]),
    ],
)
def test_an_invented_component_is_reported(answer: str, expected: list[str]) -> None:
    assert unread(answer) == expected


@pytest.mark.parametrize(
    "answer",
    [
        "# Explanation of the Data Flow\n\n## Key technologies\n\n- Overview: this is it.\n- **Summary**: short.",
        "This is **not** read, and **only** one of **three environments** is shown.",
        "Therefore Staging releases. However, it uses an API over HTTP.",
        "The **Release service** reads **Feature tables** and the **OpenTelemetry SDK**.",
        "The **Featuretable** and the **OpenTelemetrv SDK** were read with a mistake.",
        "# MLOps on Databricks: an explanation",
        "- Outside of every area: **Release**.\n- **Backend services**: **DB**.\n\n## 4. Release",
        "The **OpenTelemetry exporter** writes.",
        "> Background: Kafka is a log by Apache.",
        "```mermaid\nKafka --> Redis\n```",
        "**Commit code** by **Cut release branch**, as **Reads** says.",
    ],
)
def test_what_was_read_and_what_only_describes_is_not_reported(answer: str) -> None:
    assert unread(answer) == []


def test_without_badges_an_answer_may_count_its_own_steps() -> None:
    assert not_found("Step 1: **Release**.", Reading(10, 10, components=READING.components)) == []


_WORDS = st.sampled_from(
    [
        "**",
        "`",
        "Feature",
        "table",
        "Staging",
        "(main)",
        "Step",
        "3",
        "3.a",
        "Kafka",
        "a",
        "- ",
        "\n",
        "\n\n",
        ". ",
        "x",
    ]
)


@given(st.lists(_WORDS, max_size=25).map(" ".join))
def test_every_mention_is_the_text_at_its_place_and_none_overlap(answer: str) -> None:
    for found in (mentions(answer, READING), not_found(answer, READING)):
        assert [answer[mention.start : mention.end] for mention in found] == [mention.text for mention in found]
        assert all(first.end <= second.start for first, second in pairwise(found))


@given(st.text(max_size=200))
def test_any_text_can_be_an_answer(answer: str) -> None:
    assert all(mention.regions for mention in mentions(answer, READING))
    assert not any(mention.regions for mention in not_found(answer, READING))


@pytest.mark.parametrize(
    "answer", ["`" * 40_000, "**" * 20_000, "``a" * 13_000, "**Foo Bar**, " * 3_000, "A." * 20_000]
)
def test_an_answer_made_to_take_long_is_looked_through(answer: str) -> None:
    # Hours with a pattern that tries every way to cut a row of signs; the limit is that of the test run.
    assert all(mention.text == "Foo Bar" for mention in [*mentions(answer, READING), *not_found(answer, READING)])
