import pytest

from metrics.engines.language import LanguageIdentification, load_language_detector


@pytest.fixture(scope="module")
def detector() -> LanguageIdentification:
    return load_language_detector()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Guten Tag, wie starte ich das Gateway?", "German (de)"),
        ("Où est le journal des promotions ?", "French (fr)"),
        ("¿Dónde está la biblioteca?", "Spanish (es)"),
        ("Привет, как дела?", "Russian (ru)"),
        ("你好，今天天气怎么样", "Chinese (zh)"),
    ],
)
def test_a_sentence_of_another_language_is_named(detector: LanguageIdentification, text: str, language: str) -> None:
    assert detector.english([text]) == [f"the text is in {language}"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ok",
        "lol",
        "Test.",
        "rollback",
        "promote prod.chatbot",
        "😀😀😀😀",
        "👍 thanks 🚀🚀🚀🚀🚀🚀🚀🚀",
        "def f(x):\n    return x + 1",
        "SELECT * FROM t WHERE x = 1",
        "what does α mean?",
        "𝓗𝓮𝓵𝓵𝓸 there",
        "\x00\x01\x1b[31m",
        "\ud800",
        "a" * 100_000,
        "Spicy Tuna and Avocado Wraps",
        "How do I roll the chatbot back to its previous version?",
    ],
)
def test_where_it_cannot_be_sure_a_text_counts_as_english(detector: LanguageIdentification, text: str) -> None:
    assert detector.english([text]) == [None]


def test_letters_of_another_script_are_never_english(detector: LanguageIdentification) -> None:
    assert detector.english(["ქართული ენა"])[0] is not None


def test_texts_are_answered_in_order(detector: LanguageIdentification) -> None:
    assert detector.english(["ok", "Guten Tag, wie geht es Ihnen heute?", ""]) == [
        None,
        "the text is in German (de)",
        None,
    ]


def test_the_name_says_which_detector_it_was(detector: LanguageIdentification) -> None:
    assert detector.name.startswith("py3langid-")
    assert detector.name.endswith("/1")
