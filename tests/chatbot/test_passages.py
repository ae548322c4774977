import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.features import HANDBOOK, cut, read_sections
from serving.chatbot.passages import Passage, PassageIndex, question_of, sentences_of, terms_of


@pytest.fixture(scope="module")
def index() -> PassageIndex:
    chunks = [
        chunk for path in sorted(HANDBOOK.glob("*.md")) for section in read_sections(path) for chunk in cut(section)
    ]
    passages = [Passage(chunk["chunk_id"], chunk["page"], chunk["heading"], chunk["text"]) for chunk in chunks]
    return PassageIndex.build(passages, [chunk["terms"] for chunk in chunks])


@pytest.mark.parametrize(
    "words",
    [
        ("promote", "promotes", "promoted", "promoting", "promotion"),
        ("query", "queries"),
        ("stop", "stopped", "stopping"),
        ("spool", "spools", "spooled"),
        ("don't", "Dont"),
    ],
)
def test_the_forms_of_a_word_meet_in_one_term(words: tuple[str, ...]) -> None:
    assert len({tuple(terms_of(word)) for word in words}) == 1


@pytest.mark.parametrize("word", ["class", "status", "analysis", "king", "red", "データ"])
def test_a_word_that_only_looks_inflected_stays_whole(word: str) -> None:
    assert terms_of(word) == [word]


@pytest.mark.parametrize(
    ("question", "page", "heading"),
    [
        ("What is the spool?", "inference-table", "What the spool is"),
        ("how do i promote a version to production", "promotion", "How to promote a version to production"),
        ("What is perplexity??? 🤔", "perplexity", "What perplexity is"),
        ("Why was a harmless text flagged?", "toxicity", "Why a harmless text was flagged"),
    ],
)
def test_a_question_finds_its_section(index: PassageIndex, question: str, page: str, heading: str) -> None:
    hit = index.best(question)
    assert (hit.passage.page, hit.passage.heading) == (page, heading)
    assert hit.coverage > 0.6


@pytest.mark.parametrize("question", ["asdf qwer zxcv", "ゲートウェイとは何ですか？", "Xylophone!"])
def test_a_question_of_unknown_words_is_not_covered_at_all(index: PassageIndex, question: str) -> None:
    assert index.best(question).coverage == 0.0


def test_a_question_without_any_word_is_answered_by_the_introduction(index: PassageIndex) -> None:
    hit = index.best("What can you do?")
    assert (hit.passage.chunk_id, hit.coverage) == ("chatbot#00.0", 1.0)


def test_words_that_no_passage_knows_lower_the_coverage(index: PassageIndex) -> None:
    assert index.best("spool of a washing machine").coverage < index.best("spool").coverage == 1.0


def test_a_saved_index_answers_as_before(index: PassageIndex, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("index")
    index.save(folder)
    loaded = PassageIndex.load(folder)
    for question in ("How do I roll back?", "What does a grade of 12 mean?", "Wie starte ich Lakehelm?"):
        assert loaded.best(question) == index.best(question)


def test_an_index_of_nothing_is_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="no passage to index"):
        PassageIndex.build([], [])


def test_a_sentence_that_points_back_brings_the_one_before_it(index: PassageIndex) -> None:
    text = "The spool is a folder. It holds zebras. Nothing else is there."
    passage = Passage("x", "x", "Folders", text)
    assert index.best_sentences("Does it hold zebras?", passage) == "The spool is a folder. It holds zebras."


def test_the_opening_sentence_answers_what_the_heading_asks(index: PassageIndex) -> None:
    passage = Passage("x", "x", "How to roll back", "Give all traffic to the version before. The old one may roll on.")
    assert index.best_sentences("How do I roll back?", passage).startswith("Give all traffic")


@given(st.text(max_size=200))
def test_every_question_is_answered_with_sentences_of_the_handbook(index: PassageIndex, question: str) -> None:
    hit = index.best(question)
    assert 0.0 <= hit.coverage <= 1.0 + 1e-9
    quoted = sentences_of(index.best_sentences(question, hit.passage))
    assert 1 <= len(quoted) <= 3
    assert set(quoted) <= set(sentences_of(hit.passage.text))


@pytest.mark.parametrize(
    ("messages", "question"),
    [
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "a"),
        ([{"role": "user", "content": "a"}, {"role": "user", "content": "c"}], "c"),
        ([{"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_image"}]}], "a\n"),
        ([{"role": "system", "content": "a"}], None),
        ([], None),
    ],
)
def test_the_question_is_the_last_user_message(messages: list[dict], question: str | None) -> None:
    assert question_of(messages) == question
