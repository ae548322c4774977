"""The parts of a diagram against what is live."""

from vision.comparison import compare
from vision.reading import Component, Container, Reading

BOX = (0, 0, 10, 10)
LIVE = {
    "registered models": ["test.chatbot", "prod.chatbot"],
    "endpoints": ["chatbot"],
    "tables": ["inference_table", "request_metrics", "features", "metrics_minute"],
    "jobs": ["score", "drift", "weekly report"],
}


def drawn(*labels: str, containers: tuple[str, ...] = ()) -> Reading:
    return Reading(
        width=100,
        height=100,
        components=tuple(Component(f"c{place}", label, BOX) for place, label in enumerate(labels)),
        containers=tuple(Container(f"k{place}", label, BOX) for place, label in enumerate(containers)),
    )


def test_a_part_with_the_name_of_a_live_thing_is_found() -> None:
    comparison = compare(drawn("Inference table"), LIVE)

    assert [(one.kind, one.name, one.likeness) for one in comparison.found] == [
        ("tables", "inference_table", "same name")
    ]
    assert comparison.not_found == ()


def test_the_sort_of_a_thing_in_its_name_makes_a_similar_name_only() -> None:
    found = compare(drawn("Chatbot endpoint"), {"endpoints": ["chatbot"]}).found

    assert [(one.name, one.likeness) for one in found] == [("chatbot", "similar name")]


def test_a_qualified_name_counts_by_its_last_part() -> None:
    found = compare(drawn("Chatbot"), LIVE).found

    assert {(one.kind, one.name) for one in found} == {
        ("registered models", "test.chatbot"),
        ("registered models", "prod.chatbot"),
        ("endpoints", "chatbot"),
    }


def test_words_that_any_name_has_match_nothing() -> None:
    comparison = compare(drawn("Table", "Service", "Model", "Metrics table", "Kafka"), LIVE)

    assert comparison.found == ()
    assert [label for label, _ in comparison.not_found] == ["Table", "Service", "Model", "Metrics table", "Kafka"]


def test_twins_are_looked_up_once_and_keep_both_places() -> None:
    comparison = compare(drawn("Features", "Features", "Nothing", "Nothing"), LIVE)

    assert [one.parts for one in comparison.found] == [("c0", "c1")]
    assert comparison.not_found == (("Nothing", ("c2", "c3")),)


def test_what_is_live_and_not_drawn_is_listed() -> None:
    comparison = compare(drawn("Drift", "Weekly report job"), {"jobs": ["drift", "weekly report", "score"]})

    assert comparison.not_drawn == (("jobs", "score"),)


def test_a_container_counts_only_where_it_is_found() -> None:
    comparison = compare(drawn(containers=("Production environment", "Score")), LIVE)

    assert [one.label for one in comparison.found] == ["Score"]
    assert comparison.not_found == ()


def test_an_empty_diagram_and_an_empty_system_are_compared() -> None:
    assert compare(drawn(), {}).found == ()
    assert compare(drawn("Redis"), {}).not_found == (("Redis", ("c0",)),)
    assert compare(drawn(), {"jobs": ["score"]}).not_drawn == (("jobs", "score"),)
