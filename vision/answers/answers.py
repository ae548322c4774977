"""The answer to a question about a diagram, from what was read on it and nothing else."""

from collections.abc import Callable, Iterator

from vision.answers.content_answers import (
    NOT_READ,
    container_answer,
    count_answer,
    described,
    inside_answer,
    list_answer,
)
from vision.answers.explanation import explanation, summary
from vision.answers.flow_answers import action_answer, flow_answer, flows_answer
from vision.answers.glossary import backgrounds
from vision.answers.graph import Diagram
from vision.answers.legend_answers import legend_answer
from vision.answers.overview_answers import busiest_answer, ends_answer, missing_answer, place_answer, unread_answer
from vision.answers.path_answers import path_answer
from vision.answers.presence_answers import presence_answer
from vision.answers.question_kinds import Kind
from vision.answers.questions import Question
from vision.answers.step_answers import step_answer, steps_answer

_ANSWERS: dict[Kind, Callable[[Question, Diagram], str | None]] = {
    "step": step_answer,
    "steps": steps_answer,
    "legend": legend_answer,
    "count": count_answer,
    "path": path_answer,
    "presence": presence_answer,
    "place": place_answer,
    "inside": inside_answer,
    "container": container_answer,
    "flow": flow_answer,
    "ends": ends_answer,
    "list": list_answer,
    "flows": flows_answer,
}


def answer_to(question: Question, diagram: Diagram) -> Iterator[str]:
    """The answer in Markdown, piece by piece: sections of an explanation, or one short answer."""
    if question.kind == "explain":
        yield from explanation(diagram)
        return
    yield _short_answer(question, diagram) or _described(question, diagram)


def _short_answer(question: Question, diagram: Diagram) -> str | None:
    if question.kind == "summary":
        return summary(diagram)
    if question.kind == "busiest":
        return busiest_answer(diagram)
    if question.kind == "missing":
        return missing_answer(diagram)
    if question.kind == "unread":
        return unread_answer(diagram)
    if question.actions and question.kind in ("flow", "container", "describe", "list", "presence", "inside"):
        action = action_answer(question, diagram)
        if action:
            return action
    answer = _ANSWERS.get(question.kind)
    return answer(question, diagram) if answer else None


def _described(question: Question, diagram: Diagram) -> str:
    """What was read about everything that a question names."""
    things = [thing for one in question.named for thing in one.things]
    if not things:
        return NOT_READ
    text = described(things, diagram)
    lines = backgrounds(dict.fromkeys(thing.label for thing in things))
    return "\n\n".join([text, *lines[:2]])
