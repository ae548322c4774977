"""The four kinds of chatbot, loaded from the registry as a worker loads them."""

import json
import subprocess
import sys
from statistics import mean
from typing import Any

import pytest

from jobs.features import HANDBOOK, read_sections
from jobs.questions import QUESTIONS
from metrics.readability import flesch_kincaid_grade
from registry.versions import client
from settings import Settings

UNKNOWN = "I don't know."


@pytest.fixture(scope="module")
def models(trained_chatbots: Settings) -> list[Any]:
    import mlflow

    client(trained_chatbots)
    return [mlflow.pyfunc.load_model(f"models:/{trained_chatbots.test_model}/{version}") for version in (1, 2, 3, 4)]


@pytest.fixture(scope="module")
def answers(models: list[Any]) -> tuple[list[str], list[str]]:
    """Every question of the bank, answered by the two extractive versions."""
    return tuple([_ask(model, question.text) for question in QUESTIONS] for model in models[:2])


def _ask(model: Any, question: str) -> str:
    answer = model.predict({"input": [{"role": "user", "content": question}]})
    return str(answer["output"][0]["content"][0]["text"])


def test_the_first_version_quotes_a_whole_passage_whatever_is_asked(answers: tuple[list[str], list[str]]) -> None:
    passages = {" ".join(section["text"].split()) for path in HANDBOOK.glob("*.md") for section in read_sections(path)}
    assert set(answers[0]) <= passages


def test_the_second_version_declines_what_the_handbook_does_not_hold(answers: tuple[list[str], list[str]]) -> None:
    by_category: dict[str, list[bool]] = {}
    for question, answer in zip(QUESTIONS, answers[1], strict=True):
        by_category.setdefault(question.category, []).append(answer.startswith(UNKNOWN))
    assert all(by_category["out_of_scope"])
    assert all(by_category["language"])
    assert mean(by_category["handbook"]) < 0.1


def test_the_second_version_is_shorter_easier_and_more_honest(answers: tuple[list[str], list[str]]) -> None:
    first, second = answers
    assert mean(len(answer.split()) for answer in second) < 0.5 * mean(len(answer.split()) for answer in first)
    assert mean(map(flesch_kincaid_grade, second)) < mean(map(flesch_kincaid_grade, first)) - 1
    assert not any(answer.startswith(UNKNOWN) for answer in first)
    assert sum(answer.startswith(UNKNOWN) for answer in second) > 20


def test_answers_are_plain_prose(answers: tuple[list[str], list[str]]) -> None:
    for answer in {*answers[0], *answers[1]}:
        assert not any(mark in answer for mark in ("```", "|", "\n#", "\n-", "**", "](")), answer
        assert answer[-1] in ".!?", answer


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_streamed_answer_is_the_same_answer(models: list[Any], version: int) -> None:
    body = {"input": [{"role": "user", "content": "How do I roll back?"}]}
    *pieces, last = models[version - 1].predict_stream(body)
    whole = last["item"]["content"][0]["text"]
    assert last["type"] == "response.output_item.done"
    assert "".join(piece["delta"] for piece in pieces) == whole == _ask(models[version - 1], "How do I roll back?")


@pytest.mark.parametrize("version", [1, 3])
def test_a_request_without_a_user_message_is_refused_with_a_sentence(models: list[Any], version: int) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="no user message") as refusal:
        models[version - 1].predict({"input": [{"role": "assistant", "content": "hello"}]})
    assert refusal.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.soak
def test_generated_answers_say_how_many_tokens_they_took(models: list[Any]) -> None:
    body = {"input": [{"role": "user", "content": "What is the spool?"}]}
    alone, with_passage = (models[place].predict(body)["usage"] for place in (2, 3))
    assert 0 < alone["output_tokens"] <= 64
    assert alone["total_tokens"] == alone["input_tokens"] + alone["output_tokens"]
    assert with_passage["input_tokens"] > alone["input_tokens"] + 40


@pytest.mark.soak
def test_a_question_longer_than_the_context_is_still_answered(models: list[Any]) -> None:
    # Emoji take the most tokens for their length.
    assert _ask(models[3], "🤔🚀" * 5000)


def test_extractive_answers_report_no_tokens_because_no_model_counted_any(models: list[Any]) -> None:
    assert "usage" not in models[0].predict({"input": [{"role": "user", "content": "What is the spool?"}]})


def test_a_version_needs_neither_this_checkout_nor_what_it_says_today(
    trained_chatbots: Settings, tmp_path: Any
) -> None:
    code = (
        "import json, sys, mlflow\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model(sys.argv[2])\n"
        "answer = model.predict({'input': [{'role': 'user', 'content': 'What is the spool?'}]})\n"
        "ours = [name for name in sys.modules if name.split('.')[0] in ('serving', 'jobs', 'lakehouse', 'settings')]\n"
        "print(json.dumps([answer['output'][0]['content'][0]['text'], ours]))\n"
    )
    uri = f"models:/{trained_chatbots.test_model}/2"
    command = [sys.executable, "-I", "-c", code, trained_chatbots.tracking_uri, uri]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=240)
    text, ours = json.loads(done.stdout.splitlines()[-1])
    assert text.startswith("The spool is a folder")
    assert ours == []
