"""A new topic in one of five prompts is found and named; the usual topics, a chatterbox and secrets are not."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from metrics.text_drift import Prompts, TopicJudge, new_terms, share_with, words_of

CHAT = Path(__file__).parents[2] / ".." / "shared" / "corpus" / "chat" / "gpt-3.5-turbo-0301.jsonl"
REFERENCE_DAYS, OF_DAY, OF_WINDOW = 5, 250, 300
OPENINGS = ("How do I", "Where can I", "Please explain how to", "What is the best way to", "Help me to", "Why should I")
VERBS = ("start", "stop", "move", "read", "write", "repair", "paint", "sell", "visit", "learn", "grow", "measure")
THINGS = ("garden", "piano", "engine", "letter", "bridge", "window", "river", "novel", "planet", "market", "forest")
MONEY = ("refund", "invoice", "payment", "billing address", "credit note", "subscription fee", "tax on my bill")


def usual_prompt(random: np.random.Generator) -> str:
    first, second = random.choice(THINGS, 2)
    return f"{random.choice(OPENINGS)} {random.choice(VERBS)} a {first} next to the {second}?"


def new_prompt(random: np.random.Generator) -> str:
    return f"{random.choice(OPENINGS)} get the {random.choice(MONEY)} for the {random.choice(THINGS)}?"


def prompts(texts: list[str], random: np.random.Generator, people: int = 200, days: int = 1) -> Prompts:
    words = [words_of(text) for text in texts]
    return Prompts(words, random.integers(0, people, len(texts)), np.repeat(np.arange(days), len(texts) // days))


def usual(random: np.random.Generator, count: int, days: int = 1) -> Prompts:
    return prompts([usual_prompt(random) for _ in range(count)], random, days=days)


@pytest.mark.parametrize("seed", range(2))
def test_a_new_topic_in_a_fifth_of_three_hundred_prompts_is_found_and_named(seed: int) -> None:
    random = np.random.default_rng(seed)
    before = usual(random, REFERENCE_DAYS * OF_DAY, REFERENCE_DAYS)
    texts = [new_prompt(random) if number % 5 == 0 else usual_prompt(random) for number in range(OF_WINDOW)]
    now = prompts(texts, random)
    found = TopicJudge(before, [now]).judge(now)
    assert found is not None
    assert found.p_value < 1e-6
    assert found.matters
    terms = new_terms(now, before)
    assert sum(term.word in " ".join(MONEY) for term in terms) >= 5
    assert share_with(terms, now) > 0.15
    assert share_with(terms, before) < 0.02


def test_usual_prompts_are_seen_no_more_often_than_the_p_value_claims() -> None:
    random = np.random.default_rng(1)
    p_values = []
    for _ in range(2):
        before = usual(random, REFERENCE_DAYS * OF_DAY, REFERENCE_DAYS)
        windows = [usual(random, OF_WINDOW) for _ in range(40)]
        judge = TopicJudge(before, windows)
        found = [judge.judge(window) for window in windows]
        p_values += [one.p_value for one in found if one is not None]
    assert len(p_values) == 80
    assert (np.array(p_values) < 0.02).mean() <= 0.05
    assert min(p_values) > 1e-4


def test_what_only_one_person_asks_about_is_no_topic() -> None:
    random = np.random.default_rng(2)
    before = usual(random, REFERENCE_DAYS * OF_DAY, REFERENCE_DAYS)
    texts = [new_prompt(random) if number % 8 == 0 else usual_prompt(random) for number in range(OF_WINDOW)]
    words = [words_of(text) for text in texts]
    people = np.array([500 if number % 8 == 0 else number for number in range(OF_WINDOW)])
    one, many = Prompts(words, people, np.zeros(OF_WINDOW, dtype=int)), prompts(texts, random)
    judge = TopicJudge(before, [one, many])
    of_one, of_many = judge.judge(one), judge.judge(many)
    assert of_one is not None
    assert of_many is not None
    assert of_many.p_value < 0.001
    assert of_one.p_value > 0.02
    assert new_terms(one, before) == []


def test_people_behind_one_application_are_many() -> None:
    random = np.random.default_rng(3)

    def by_application(texts: list[str], days: int = 1) -> Prompts:
        return Prompts(
            [words_of(text) for text in texts],
            np.zeros(len(texts), dtype=np.int64),
            np.repeat(np.arange(days), len(texts) // days),
        )

    before = by_application([usual_prompt(random) for _ in range(1250)], REFERENCE_DAYS)
    texts = [new_prompt(random) if number % 5 == 0 else usual_prompt(random) for number in range(OF_WINDOW)]
    now = by_application(texts)
    found = TopicJudge(before, [now]).judge(now)
    assert found is not None
    assert found.p_value < 1e-6
    # Words are shown only where two people said them, and nobody knows that here.
    assert new_terms(now, before) == []


def test_days_that_differ_among_themselves_make_another_such_day_usual() -> None:
    random = np.random.default_rng(4)

    def day(topic: str) -> list[str]:
        return [f"Tell me of {topic}" if number % 4 == 0 else usual_prompt(random) for number in range(OF_DAY)]

    topics = ["volcanoes", "violins", "penguins", "cathedrals", "comets"]
    before = prompts([text for topic in topics for text in day(topic)], random, days=REFERENCE_DAYS)
    now = prompts(day("dolphins"), random)
    found = TopicJudge(before, [now]).judge(now)
    assert found is not None
    assert found.usual > 0
    assert found.p_value > 1e-4


def test_too_few_prompts_are_not_judged() -> None:
    random = np.random.default_rng(5)
    before, few = usual(random, 250), usual(random, 49)
    assert TopicJudge(before, [few]).judge(few) is None
    assert TopicJudge(usual(random, 100), [before]).judge(before) is None
    empty = Prompts([], np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    assert TopicJudge(empty, [empty]).judge(empty) is None


def test_prompts_without_words_are_no_drift() -> None:
    silent = Prompts([frozenset()] * 300, np.arange(300), np.repeat(np.arange(3), 100))
    found = TopicJudge(silent, [silent]).judge(silent)
    assert found is not None
    assert found.p_value > 0.1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Refund my order 4711, please!", {"refund", "my", "order", "please"}),
        ("Write to ann.example@secret.example or call +49 170 1234567", {"write", "to", "or", "call"}),
        ("See https://secret.example/private?token=abc now", {"see", "now"}),
        ("Mein Schlüssel: sk-abcdefghijklmnopqrstuvwx", {"mein", "schlüssel"}),
        ("退款政策", {"退款", "款政", "政策"}),
        ("", set()),
        ("4711 0815", set()),
    ],
)
def test_words_are_taken_without_numbers_addresses_and_secrets(text: str, words: set[str]) -> None:
    assert words_of(text) == words


def test_a_word_is_shown_only_if_five_requests_of_two_people_hold_it() -> None:
    before = usual(np.random.default_rng(6), 1000)

    def shown(requests: int, people: int) -> bool:
        words = [frozenset({"melanoma"})] * requests + [frozenset({"garden"})] * (100 - requests)
        owners = np.arange(100) % people
        return "melanoma" in {term.word for term in new_terms(Prompts(words, owners, np.zeros(100, dtype=int)), before)}

    assert shown(5, 2)
    assert not shown(4, 2)
    assert not shown(50, 1)


@pytest.mark.skipif(not CHAT.is_file(), reason="The corpus of real chats is not here.")
@pytest.mark.parametrize("topic", [r"recipe|cook|dish|bake|meal", r"python|code|function|program|javascript|sql|html"])
def test_a_topic_of_real_prompts_is_found_when_it_is_new(topic: str) -> None:
    asked = [json.loads(line)["prompt"] for line in CHAT.read_text(encoding="utf-8").splitlines()]
    new = [text for text in asked if re.search(topic, text.lower())]
    old = [text for text in asked if not re.search(topic, text.lower())]
    random = np.random.default_rng(0)

    def window(share: float) -> Prompts:
        texts = [str(random.choice(new if random.random() < share else old)) for _ in range(OF_WINDOW)]
        return prompts(texts, random)

    before = prompts([str(random.choice(old)) for _ in range(REFERENCE_DAYS * OF_DAY)], random, days=REFERENCE_DAYS)
    shifted, same = window(0.2), window(0.0)
    judge = TopicJudge(before, [shifted, same])
    found, not_found = judge.judge(shifted), judge.judge(same)
    assert found is not None
    assert not_found is not None
    assert found.p_value < 0.001
    assert not_found.p_value > 0.02
