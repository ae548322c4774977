"""The full explanation of a diagram for somebody who sees it for the first time, and its short summary."""

from collections.abc import Iterator, Sequence

from vision.answers.arrow_sentences import told
from vision.answers.color_names import color_name
from vision.answers.content_answers import shortened
from vision.answers.emphasis import all_named, named
from vision.answers.glossary import backgrounds
from vision.answers.graph import Diagram
from vision.answers.overview_answers import unread_answer
from vision.answers.step_answers import arrows_of, in_order
from vision.answers.wording import counted, words_of


def explanation(diagram: Diagram) -> Iterator[str]:
    """The parts of an explanation in Markdown, each a section; all together they name every component."""
    if not diagram.parts and not diagram.reading.text:
        yield "No text was read on the image, so there is nothing to explain."
        return
    sections = [
        ("Overview", overview(diagram)),
        ("Step by step", _steps(diagram)),
        ("Stages and components", _containers(diagram)),
        ("Other data flows" if diagram.reading.steps else "Data flows", _flows(diagram)),
        ("Legend", _legend(diagram)),
        ("Key technologies", "\n>\n".join(backgrounds(_all_texts(diagram)))),
        ("What could not be read", _unread(diagram)),
        ("Summary", _summary(diagram)),
    ]
    written = [(title, text) for title, text in sections if text]
    for place, (title, text) in enumerate(written):
        yield f"### {title}\n\n{text}" + ("\n\n" if place + 1 < len(written) else "")


def overview(diagram: Diagram) -> str:
    """How much was read, and the outermost parts."""
    reading = diagram.reading
    outer = [part for part in diagram.parts if diagram.is_container(part) and not diagram.around(part)]
    alone = [part for part in diagram.parts if not diagram.is_container(part) and not diagram.around(part)]
    sizes = [counted(len(reading.components), "component")]
    sizes += [counted(len(reading.containers), "container")] if reading.containers else []
    sizes += [counted(len(diagram.arrows), "arrow") + " that could be read with confidence"] if diagram.arrows else []
    sizes += [counted(len(reading.steps), "numbered step")] if reading.steps else []
    text = f"The diagram shows {', '.join(sizes[:-1])}{' and ' if len(sizes) > 1 else ''}{sizes[-1]}."
    if outer:
        text += f" Its {'area is' if len(outer) == 1 else 'areas are'} {shortened(diagram.labels(outer))}."
    if alone and len(alone) <= 12:
        one, more = ("Outside stands", "Outside stand") if outer else ("It is", "They are")
        text += f" {one if len(alone) == 1 else more} {shortened(diagram.labels(alone))}."
    return text


def _steps(diagram: Diagram) -> str:
    """The numbered steps in their order, each with where it stands and what arrows say of it."""
    lines: list[str] = []
    for step in in_order(diagram.reading.steps):
        part = step.component if step.component in diagram.parts else None
        text = f"- Step {step.number}: {named(step.label)}"
        around = diagram.around(part) if part else []
        text += f", in {named(diagram.label(around[0]))}" if around else ""
        arrows = arrows_of(step, diagram)
        lines.append(f"{text}. {told(arrows, diagram)}".strip())
    return "\n".join(lines)


def _containers(diagram: Diagram) -> str:
    """Every container with what stands in it, nested ones below their outer one, then what stands alone."""
    lines: list[str] = []

    def add(container: str, depth: int) -> None:
        members = diagram.members(container)
        plain = [part for part in members if not diagram.is_container(part)]
        inner = [part for part in members if diagram.is_container(part)]
        holds = f": {all_named(diagram.labels(plain))}" if plain else ""
        lines.append(f"{'  ' * depth}- {named(diagram.label(container))}{holds}")
        for part in inner:
            add(part, depth + 1)

    for part in diagram.parts:
        if diagram.is_container(part) and not diagram.around(part):
            add(part, 0)
    alone = [part for part in diagram.parts if not diagram.is_container(part) and not diagram.around(part)]
    if alone:
        lead = "Outside of every area" if lines else "Components"
        lines.append(f"- {lead}: {all_named(diagram.labels(alone))}")
    return "\n".join(lines)


def _flows(diagram: Diagram) -> str:
    """The stated arrows that no step tells of, by their source, in the order of the picture."""
    in_steps = {id(one) for step in diagram.reading.steps for one in arrows_of(step, diagram)}
    left = [one for one in (*diagram.arrows, *diagram.joined) if id(one) not in in_steps]
    lines = [
        f"- {told(arrows, diagram)}"
        for part in diagram.parts
        if (arrows := [one for one in left if one.source == part])
    ]
    if lines or diagram.arrows:
        return "\n".join(lines)
    return "No arrow could be read with confidence, so nothing is said about who talks to whom."


def _legend(diagram: Diagram) -> str:
    return "\n".join(
        f"- {'dashed ' if entry.style == 'dashed' else ''}{color_name(entry.color)}: {named(entry.label)}"
        for entry in diagram.reading.legend
    )


def _all_texts(diagram: Diagram) -> list[str]:
    reading = diagram.reading
    return [*(diagram.labels(diagram.parts)), *(line.text for line in reading.text)]


def _unread(diagram: Diagram) -> str:
    others = _other_texts(diagram)
    notes = [unread_answer(diagram)]
    if others:
        notes.append(f"Text that names no part: {shortened(others)}.")
    return " ".join(notes)


def _other_texts(diagram: Diagram) -> list[str]:
    """Lines of text that are in no name, label, step or legend."""
    reading = diagram.reading
    used = [part.label for part in diagram.parts.values()]
    used += [one.label for one in reading.connections if one.label]
    used += [*(entry.label for entry in reading.legend), *(step.label for step in reading.steps)]
    known = {" ".join(words_of(text)) for text in used}
    found = []
    for line in reading.text:
        words = " ".join(words_of(line.text))
        if len(words) > 2 and not any(words in text for text in known):
            found.append(line.text)
    return list(dict.fromkeys(found))


def _summary(diagram: Diagram) -> str:
    """Where it starts and ends, in two sentences."""
    sentences: list[str] = []
    steps = in_order(diagram.reading.steps)
    if len(steps) > 1:
        sentences.append(
            f"The numbered steps lead from {named(steps[0].label)} (step {steps[0].number}) "
            f"to {named(steps[-1].label)} (step {steps[-1].number})."
        )
    sources = {one.source for one in diagram.arrows}
    targets = {one.target for one in diagram.arrows}
    starts = diagram.labels(part for part in diagram.parts if part in sources - targets)
    ends = diagram.labels(part for part in diagram.parts if part in targets - sources)
    # Of twins one may be a start and the other an end: their name would tell nothing.
    starts, ends = [name for name in starts if name not in ends], [name for name in ends if name not in starts]
    if starts and ends:
        sentences.append(f"Along the arrows read, it starts at {_few(starts)} and ends at {_few(ends)}.")
    if not sentences and diagram.parts:
        sentences.append(f"The parts are {_few(diagram.labels(diagram.parts))}.")
    return " ".join(sentences)


def _few(labels: Sequence[str]) -> str:
    return all_named(labels) if len(labels) <= 6 else f"{', '.join(named(label) for label in labels[:6])} and others"


def summary(diagram: Diagram) -> str:
    """The picture in a few sentences."""
    if not diagram.parts:
        return "No text was read on the image that names a part."
    return f"{overview(diagram)} {_summary(diagram)} Ask “explain this architecture” for all of it.".replace("  ", " ")
