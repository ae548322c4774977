"""Background is about technologies that were read, and says nothing of the picture."""

import re

import pytest

from tests.vision.test_questions import READINGS, said
from vision.answers.glossary import TECHNOLOGIES, background, is_kind_of, technologies_in


def test_a_technology_is_explained_by_the_words_that_were_read() -> None:
    assert background("Azure Cosmos DB") == [
        "> Background: Azure Cosmos DB: a managed database for several kinds of data."
    ]


@pytest.mark.parametrize("text", ["Scdn", "cart", "resume", "reliability", "kafkaesque", "elb", "Model", "cd"])
def test_other_words_name_no_technology(text: str) -> None:
    assert technologies_in(text) == ()


def test_no_explanation_names_another_product() -> None:
    for technology in TECHNOLOGIES:
        named = [own for other in TECHNOLOGIES if other is not technology for own in other.names if own[0].isupper()]
        products = [name for name in named if re.search(rf"\b{re.escape(name)}\b", technology.what)]
        assert products == [], technology.names


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("RabbitMQ", "message queue", True),
        ("RabbitMQ", "message queues", True),
        ("RabbitMQ", "queue", True),
        ("RabbitMQ", "message", False),
        ("Redis cache", "database", False),
        ("GitHub", "version control", True),
        ("Order service", "service mesh", False),
        ("RabbitMQ", "", False),
    ],
)
def test_a_technology_is_of_a_general_kind(text: str, kind: str, expected: bool) -> None:
    assert is_kind_of(text, kind) is expected


def test_background_stands_on_lines_of_its_own() -> None:
    lines = said(READINGS["bookshop"], "explain this architecture").splitlines()
    explained = [line for line in lines if "Background:" in line]

    assert explained
    assert all(line.startswith("> Background: ") and line.endswith(".") for line in explained)
