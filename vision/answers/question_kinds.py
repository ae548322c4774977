"""Which kind of question a pattern of words is. In a pattern `@` stands for a name and `#` for a number."""

import re
from collections.abc import Sequence
from typing import Literal

from vision.answers.graph import Diagram
from vision.answers.names import Named
from vision.answers.question_words import NUMBERS

Kind = Literal[
    "explain", "summary", "step", "steps", "legend", "count", "path", "presence", "place", "inside", "container",
    "flow", "ends", "busiest", "unread", "missing", "list", "flows", "describe",
]  # fmt: skip

_WHOLE = r"(?:architecture|diagram|image|picture|drawing|system|figure|chart|workflow|pipeline|design|solution)"
_STYLE = (
    r"(?:red|blue|green|yellow|orange|purple|violet|pink|gr[ae]y|black|white|brown|cyan|turquoise|teal|magenta"
    r"|dashed|dotted|solid|colou?r\w*)"
)
_LINE = r"(?:lines?|arrows?|connections?|connectors?|edges?|box(?:es)?|strokes?|links?|paths?|means?|stands?|colou?rs?)"
_ASK_VERB = r"(?:does|do|did|is|are|can|could|will|would)"

_OF_STYLE = rf"\b{_STYLE}\b.*\b{_LINE}\b|\b{_LINE}\b.*\b{_STYLE}\b|\b{_STYLE}\b.*\bfor$"
_WITHOUT_NAMES: tuple[tuple[Kind, str], ...] = (
    ("legend", _OF_STYLE),
    ("steps", r"\b(?:summar\w+|through|describe)\b.*\bsteps\b"),
    ("explain", r"\bexplain\b"),
    ("summary", r"\bwalk (?:me|us) through\b"),
    ("ends", r"\bat (?:very )?(?:end|beginning|start)$"),
    ("missing", r"\b(?:no|without|any) (?:arrows?|connections?)\b"),
    ("flows", r"\bwhat \w+ what\b|\bwho \w+ (?:to |with )?whom?\b|\beach other\b"),
    ("flows", r"^(?!.*\bmost\b).*\b(?:which|what|list|show|all|are)\b.*\b(?:connections|arrows|flows?|links)\b"),
    ("ends", r"\b(?:sources?|origins?|sinks?|destinations?|entr(?:y|ance)) (?:of|for|to)\b|\b(?:enter|leave)s?\b"),
    ("summary", r"\bsummar\w+|\boverview\b|\bgist\b|\btl dr\b|\bin short\b|\bbriefly\b"),
    ("ends", r"^where (?:does|do) .*\b(?:come from|originate|start|begin|end|end up|go|go to|land|stop|finish)$"),
    ("summary", rf"^(?!{_ASK_VERB}|has|have)\w+\b.*\b(?:describe|about|purpose|goal)\b.*\b{_WHOLE}\b"),
    ("summary", rf"\b{_WHOLE} (?:about|do|show|represent)$"),
    ("summary", rf"^(?:please )?describe\b.*\b{_WHOLE}\b"),
    ("summary", rf"^what (?:is|does|do) (?:this|that|it|{_WHOLE})\b(?: {_WHOLE})?(?: (?:do|show|about|represent))?$"),
    ("summary", r"^what (?:is|do you) (?:shown|depicted|drawn|see)\b|^what am i looking at\b|^describe (?:it|this)$"),
)
"""Kinds of questions about all of the picture, which name nothing on it."""

_BY_WORDS: tuple[tuple[Kind, str], ...] = (
    ("steps", r"\b(?:which|what|list|name|show|are|all)\b.*\bsteps\b|\b(?:which|what) step\b|^what order\b"),
    ("step", r"\b(?:step|badge|circle|number|no|point|phase|bullet) (?:number |no )?#|# (?:step|badge|circle)\b"),
    ("step", r"\b(?:first|last|final) (?:numbered )?step\b|\bsteps? (?:after|before|following) (?:step )?#"),
    ("count", r"\bhow many\b|\bnumber of\b|\bcount (?:of|the)\b"),
    ("legend", rf"\blegend\b|\bcolou?r (?:code|coding|key)\b|{_OF_STYLE}"),
    ("legend", r"\b(?:symbols?|signs?|check ?marks?|ticks?|stars?|asterisks?|key)\b.*\b(?:means?|stands?)\b"),
    (
        "unread",
        r"\b(?:not|cannot|unable|could) (?:\w+ )?(?:be )?(?:read|recogni[sz]ed)\b|\bun(?:read|certain|sure|clear)\b",
    ),
    ("missing", r"\bmissing\b|\black(?:s|ing)?\b|\bnot connected\b|\bunconnected\b|\bisolated\b|\bno arrows?\b"),
    ("busiest", r"\bmost\b.*\b(?:connect\w+|arrows?|lines?|links?|used|dependen\w+|central|important|called)\b"),
    ("busiest", r"\b(?:central|main|core|busiest|key) (?:component|part|service|piece|hub|node)\b"),
    ("path", r"^(?:explain )?how\b.*\b(?:reach|get|arrive|flow|travel|go|end|move|come)\w*\b.*@"),
    ("path", r"\b(?:path|route|way|journey|flow|chain|hops?)\b.*@.*@|\bfrom @ (?:all way )?(?:on )?(?:to|into) @"),
    ("path", r"\bbetween @ and @|^how (?:is|are) @ (?:and|with|to|connected|linked|related|joined)\b.*@"),
    (
        "ends",
        r"\bentry ?points?\b|\bstarting points?\b|^where (?:does|do) (?:\w+ )*(?:start|begin|end|stop)s?\b(?! .*@)",
    ),
    (
        "ends",
        r"\b(?:what|which)\b.* (?:comes? |is )?(?:very )?(?:first|last)$|\bfinal (?:destination|component|target)\b",
    ),
    ("place", r"\b(?:cent(?:er|re)|middle) of (?!@)|\b(?:cent(?:er|re)|middle)$"),
    ("place", r"\b(?:above|below|beneath|next to|beside|(?:left|right) of|underneath) @"),
    ("place", r"\b(?:at|on|in|to) (?:very |far )?(?:top|bottom|left|right|upper|lower)\b"),
)
"""Kinds that words alone tell, tried in this order."""

_IN = r"\b(?:in|inside|within|part of|belongs? to|belonging to|under|members? of|contents? of|from|of|on) @"
_HOLDS = r"@ (?:\w+ly )?(?:contain|include|hold|have|consist|comprise|made)\b|\b(?:contents?|included?|inside) @"
_OUTER = r"\b(?:which|what)\b.*\b(?:contains?|includes?|holds?|houses?|encloses?|surrounds?|has|have)\b @"
_LOCATED = (
    r"^where (?:is|are|does|do|can) (?:\w+ )?@(?: \w+ly)?(?: located| placed| run| live| belong| sit| found| hosted)?$"
)
_IN_WHICH = (
    r"\b(?:in|inside|within|on|belongs? to) (?:which|what)\b.*@"
    r"|\b(?:which|what)\b.*@ (?:\w+ )*(?:in|inside|part of|belongs? to)$"
)
_RELATES = (
    r"\b(?:after|before|follows?|following|next|upstream|downstream|inputs?|outputs?|depend\w*|sources?|targets?"
    r"|destinations?|neighbou?rs?|uses?|used|using|callers?|consumers?|producers?|clients?|goes|go|comes?|into|onto)\b"
)


def kind_of(pattern: str, named: Sequence[Named], asked: Sequence[str], has_verb: bool, diagram: Diagram) -> Kind:
    """The kind of a question.

    asked: the noun behind "which" or "what". has_verb: whether the question has a verb that arrows stand for.
    """
    if not named and "#" not in pattern:
        for kind, rule in _WITHOUT_NAMES:
            if re.search(rule, pattern):
                return kind
    for kind, rule in _BY_WORDS:
        if re.search(rule, pattern):
            return kind
    if re.match(rf"{_ASK_VERB}\b|has\b|have\b|any\b", pattern):
        return "presence"
    if not named:
        return "list" if asked or re.search(r"\b(?:list|name|which|what|all)\b", pattern) else "describe"
    return _kind_of_named(pattern, named, has_verb, diagram)


def numbers_as_signs(pattern: str) -> str:
    """A pattern in which a step's number in words is a number: `step six`, `third step`."""
    words = "|".join(word for word in NUMBERS if word not in {"first"})
    return re.sub(rf"\b(?:{words})(?= (?:step|badge|circle)\b)|(?<=step )(?:{words})\b", "#", pattern)


def _kind_of_named(pattern: str, named: Sequence[Named], has_verb: bool, diagram: Diagram) -> Kind:
    """Questions about a part that its construction tells apart: what it holds, where it is, its arrows, itself."""
    about_container = any(diagram.is_container(part) for one in named for part in one.parts)
    if re.search(r"\bwhat else\b.*\b(?:in|inside|with|beside|around) @", pattern):
        return "inside"
    if about_container and len(named) == 1:
        if re.search(_HOLDS, pattern) or re.search(r"\bhappens?\b.*\b(?:in|inside|within|during|at) @$", pattern):
            return "inside"
        if re.search(_IN + "$", pattern) and not re.search(
            r"\b(?:from|after|before|(?<!part )(?<!parts )of) @$", pattern
        ):
            return "inside"
        if re.search(r"\b(?:what|which|list|name)\b.* (?:of|from) @$", pattern) and not has_verb:
            return "describe" if re.search(_RELATES, pattern) else "inside"
    if re.search(_OUTER, pattern) or re.search(_LOCATED, pattern) or re.search(_IN_WHICH, pattern):
        return "container"
    if has_verb or re.search(_RELATES, pattern):
        return "flow"
    return "describe"
