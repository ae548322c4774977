"""A question that leans on the one before it, said so that it stands alone: "and the next step?", "what feeds it?"."""

import re
from collections.abc import Callable, Sequence

from vision.answer import Turn
from vision.answers.graph import Diagram
from vision.answers.questions import Question, understanding
from vision.answers.step_answers import in_order
from vision.answers.wording import enumerated
from vision.mention import emphasised

_TURNS = 6
"""How many turns back a question may lean on."""
_SINGULAR = re.compile(r"\b(?:it|that one|this one|that|there)\b(?!\s+(?:is|are|a|an|any|no)\b)", re.IGNORECASE)
_PLURAL = re.compile(r"\b(?:they|them|those|these)\b", re.IGNORECASE)
_OF_PICTURE = re.compile(
    r"\b(?:this|that|these|the)\s+(?:\w+\s+)?(?:diagram|image|picture|architecture|drawing|system)\b"
)
_WHAT_ABOUT = re.compile(
    r"^\W*(?:(?:and|but|so|ok|okay)\b\W*)?(?:what|how) about\b"
    r"|^\W*and\b(?! (?:what|which|who|where|how|is|are|does|do)\b)",
    re.IGNORECASE,
)
_NEXT = re.compile(r"\b(?:next|following|after that|then)\b", re.IGNORECASE)
_BEFORE = re.compile(r"\b(?:previous|before that|before it|prior)\b", re.IGNORECASE)


def standing_alone(
    question: str,
    earlier: Sequence[Turn],
    diagram: Diagram,
    understood: Callable[[str], Question] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> str:
    """The question with what it leaves out taken from the earlier turns; unchanged if it needs nothing from them.

    understood: `understanding(diagram)`, for whoever goes on to ask. Once `cancelled()` is true the question is given
    back as far as it is.
    """
    understood = understood or understanding(diagram)
    turns = list(earlier[-_TURNS:])
    alone, *later = [*(turn.question for turn in turns), question]
    # Each earlier question may itself lean on the one before it.
    for turn, following in zip(turns, later, strict=True):
        if cancelled():
            return question
        alone = _leaning_on(turn, understood(alone), following, diagram, understood)
    return alone


def _leaning_on(
    turn: Turn, before: Question, question: str, diagram: Diagram, understood: Callable[[str], Question]
) -> str:
    """The question with what it takes from the turn before it, whose own question is understood as `before`."""
    step = _step_beside(question, before, turn, diagram)
    if step is not None:
        return step
    own = understood(question)
    if _WHAT_ABOUT.search(question) and own.named and before.named:
        return _with_other_name(before, own)
    if own.named and not _PLURAL.search(question):
        return _with_pronoun(question, before, turn, diagram) if _needs(question) else question
    return _with_pronoun(question, before, turn, diagram)


def _needs(question: str) -> bool:
    return bool(re.search(r"\b(?:it|them)\b", question, re.IGNORECASE))


def _step_beside(question: str, before: Question, turn: Turn, diagram: Diagram) -> str | None:
    """The question about the step after or before the one that was spoken of."""
    numbers = [step.number for step in in_order(diagram.reading.steps)]
    told = re.match(r"Step (\S+?)(?::| is the)", turn.answer)
    spoken = told.group(1) if told else before.number
    if spoken not in numbers:
        return None
    other = re.search(r"\b(?:and|about|step)\s+(?:step\s+)?(\d+(?:\.\w+)*)\W*$", question)
    if other and other.group(1) in numbers:
        return f"What happens in step {other.group(1)}?"
    if re.search(r"\bstep\s+\d", question) or len(question.split()) > 9:
        return None
    if _NEXT.search(question):
        return f"What comes after step {spoken}?"
    return f"What comes before step {spoken}?" if _BEFORE.search(question) else None


def _with_other_name(before: Question, own: Question) -> str:
    """The earlier question about another name."""
    replaced = before.named[0]
    words = [word.written for word in before.words]
    name = '"' + enumerated([thing.label for thing in own.named[0].things]) + '"'
    return " ".join([*words[: replaced.start], name, *words[replaced.end :]])


def _with_pronoun(question: str, before: Question, turn: Turn, diagram: Diagram) -> str:
    """The question with "it" replaced by what the earlier question named, "they" by what its answer named."""
    if _OF_PICTURE.search(question.lower()):
        return question
    asked_for = [thing.label for one in before.named for thing in one.things if thing.parts]
    known = {diagram.label(part).casefold(): diagram.label(part) for part in diagram.parts}
    told = [turn.answer[start:end].replace("\\", "") for start, end in emphasised(turn.answer)]
    told = [known[name.casefold()] for name in dict.fromkeys(told) if name.casefold() in known]
    others = [name for name in told if name not in asked_for]
    if _PLURAL.search(question) and (others or asked_for):
        # By a function: in a text to put in, a backslash that was read on the image would mean something.
        names = enumerated([f'"{name}"' for name in (others or asked_for)])
        return _PLURAL.sub(lambda _: names, question, count=1)
    if _SINGULAR.search(question) and (asked_for or told):
        subject = asked_for[0] if asked_for else told[0]
        return _SINGULAR.sub(lambda _: f'"{subject}"', question, count=1)
    return question
