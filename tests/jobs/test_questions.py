from collections import Counter

from jobs.features import HANDBOOK
from jobs.golden_questions import GOLDEN
from jobs.questions import QUESTIONS


def test_the_question_bank_is_varied_and_each_question_is_there_once() -> None:
    count = Counter(question.category for question in QUESTIONS)
    assert len({question.text for question in QUESTIONS}) == len(QUESTIONS) >= 150
    assert set(count) == {"handbook", "out_of_scope", "rude", "language", "emoji"}
    assert 0.05 < count["rude"] / len(QUESTIONS) < 0.09


def test_golden_questions_are_no_questions_of_the_demo_and_name_real_pages() -> None:
    assert not {question.text for question in GOLDEN} & {question.text for question in QUESTIONS}
    pages = {path.stem for path in HANDBOOK.glob("*.md")}
    assert {question.page for question in GOLDEN if question.page} <= pages
    assert sum(question.page is None for question in GOLDEN) >= 8
