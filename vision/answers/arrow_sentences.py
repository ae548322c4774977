"""Sentences about arrows: which lead where, what they are labelled, and what the legend says of them."""

from collections.abc import Sequence

from vision.answers.emphasis import all_named, named
from vision.answers.graph import Diagram
from vision.answers.meanings import keeps_data, legend_entry
from vision.answers.things import name_key
from vision.answers.wording import has_word
from vision.reading import Connection

NO_ARROW = "no arrow could be read with confidence"


def told(arrows: Sequence[Connection], diagram: Diagram) -> str:
    """Arrows in sentences, those with the same source or the same target together."""
    sentences: list[str] = []
    for group in groups(arrows, diagram):
        first = group[0]
        sources = list(dict.fromkeys(one.source for one in group))
        targets = list(dict.fromkeys(one.target for one in group))
        what = "An arrow leads" if len(group) == 1 else "Arrows lead"
        between = f"from {all_named(diagram.labels(sources))} to {all_named(diagram.labels(targets))}"
        verb = _verb(group, diagram)
        if verb:
            sentences.append(f"{_read_or_written(group, verb, diagram)}{meaning(first, diagram)}.")
            continue
        if not first.directed:
            what = "A line without a readable head leads" if len(group) == 1 else "Lines without readable heads lead"
        sentences.append(f"{what} {between}{meaning(first, diagram)}.")
    return " ".join(dict.fromkeys(sentences))


def groups(arrows: Sequence[Connection], diagram: Diagram) -> list[list[Connection]]:
    """Arrows of one meaning that start or end at the same part; the larger groups first."""
    left = {arrow: (meaning(arrow, diagram), arrow.directed) for arrow in arrows}
    found: list[list[Connection]] = []
    while left:
        sharing: dict[tuple[object, ...], list[Connection]] = {}
        for arrow, sort in left.items():
            sharing.setdefault((*sort, "from", arrow.source), []).append(arrow)
            sharing.setdefault((*sort, "to", arrow.target), []).append(arrow)
        largest = max(sharing.values(), key=len)
        found.append(largest)
        left = {arrow: sort for arrow, sort in left.items() if arrow not in largest}
    return found


def meaning(arrow: Connection, diagram: Diagram) -> str:
    """The label of an arrow, and what the legend says of its colour."""
    texts: list[str] = []
    # A text that is the name of a part is no label of an arrow, even where it stands beside one.
    names = {name_key(diagram.label(part)) for part in diagram.parts}
    if arrow.label and name_key(arrow.label) not in names:
        texts.append(f"labelled {named(arrow.label)}")
    entry = legend_entry(arrow, diagram.reading.legend)
    if entry:
        texts.append(f"in the legend {named(entry.label)}")
    return f" ({', '.join(texts)})" if texts else ""


def _verb(group: Sequence[Connection], diagram: Diagram) -> str | None:
    """`read` or `write`, where the label or the legend says so and only one end of each arrow keeps data."""
    entry = legend_entry(group[0], diagram.reading.legend)
    texts = [text for text in (group[0].label, entry.label if entry else None) if text]
    verbs = [verb for verb in ("read", "write") if any(has_word(text, verb) for text in texts)]
    stores = {(keeps_data(diagram.label(one.source)), keeps_data(diagram.label(one.target))) for one in group}
    if len(verbs) != 1 or not group[0].directed or len(stores) != 1:
        return None
    from_store, to_store = stores.pop()
    if from_store == to_store or (verbs[0] == "write" and not to_store):
        return None
    return verbs[0]


def _read_or_written(group: Sequence[Connection], verb: str, diagram: Diagram) -> str:
    """`X reads from Y`: the end that keeps no data is who reads or writes."""
    from_store = keeps_data(diagram.label(group[0].source))
    acting = list(dict.fromkeys(one.target if from_store else one.source for one in group))
    stores = list(dict.fromkeys(one.source if from_store else one.target for one in group))
    form = f"{verb}s" if len(acting) == 1 else verb
    whom = "from" if verb == "read" else "to"
    return f"{all_named(diagram.labels(acting))} {form} {whom} {all_named(diagram.labels(stores))}"
