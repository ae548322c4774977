"""The questions of an evaluation: golden ones and logged ones, taking turns, until all are asked or the time is up."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobs.candidate import Candidate, replayed_body
from jobs.evaluation_scores import Asked
from jobs.golden_sets import GoldenItem, GoldenSet
from jobs.replay import LoggedPrompt, last_prompts
from lakehouse.errors import LakehouseError
from registry.gate_checks import NOTHING_LIVE
from registry.versions import ModelVersion
from settings import Settings


@dataclass(frozen=True)
class Question:
    """One question: `golden`, `off_topic` (golden, but declining is right) or `replay`, and its number of that kind."""

    kind: str
    position: int
    text: str
    item: GoldenItem | None = None
    logged: LoggedPrompt | None = None


@dataclass(frozen=True)
class Prompts:
    """Logged prompts, or why there are none to ask again."""

    logged: tuple[LoggedPrompt, ...] = ()
    not_run: str = ""


def prompts_to_replay(settings: Settings, live: ModelVersion | None) -> Prompts:
    """The last logged prompts of the live version."""
    if live is None:
        return Prompts(not_run=NOTHING_LIVE)
    if settings.replayed_prompts == 0:
        return Prompts(not_run="LAKEHELM_REPLAYED_PROMPTS is 0, so no logged prompt was asked again.")
    try:
        found = last_prompts(settings, live.name, live.version, settings.replayed_prompts)
    except LakehouseError as error:
        return Prompts(not_run=str(error))
    if not found:
        return Prompts(not_run=f"{live.name} version {live.version} has no logged and scored answer yet.")
    return Prompts(tuple(found))


def questions_of(chosen: GoldenSet | None, prompts: Sequence[LoggedPrompt]) -> list[Question]:
    """All questions, so ordered that at any point each kind has had its share."""
    items = chosen.items if chosen else ()
    kinds = (
        [Question("golden", n, item.question, item) for n, item in enumerate(i for i in items if not i.refusal)],
        [Question("off_topic", n, item.question, item) for n, item in enumerate(i for i in items if i.refusal)],
        [Question("replay", n, logged.prompt, logged=logged) for n, logged in enumerate(prompts)],
    )
    places = [((question.position + 0.5) / len(kind), question) for kind in kinds for question in kind]
    return [question for _, question in sorted(places, key=lambda place: place[0])]


def ask_all(
    candidate: Candidate, questions: Sequence[Question], seconds: float, on_asked: Callable[[int, int], None]
) -> list[Asked]:
    """Ask one question after the other; none is begun when `seconds` are over. `on_asked` gets done and all."""
    asked: list[Asked] = []
    deadline = time.monotonic() + seconds
    for question in questions:
        if time.monotonic() >= deadline:
            break
        body = replayed_body(question.logged.request) if question.logged else None
        given = candidate.ask(body) if body is not None else candidate.ask_question(question.text)
        asked.append(Asked(question.kind, question.position, question.text, given, question.item, question.logged))
        on_asked(len(asked), len(questions))
    return asked
