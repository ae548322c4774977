import pytest

from metrics.text_cache import TextCache, text_key


def test_only_new_texts_are_computed_and_all_in_one_call() -> None:
    calls: list[list[str]] = []

    def lengths(texts: list[str]) -> list[int]:
        calls.append(texts)
        return [len(text) for text in texts]

    cache = TextCache()
    pairs = [(text_key(text), text) for text in ("a", "bb", "a", "ccc")]
    assert sorted(cache.scores("length", pairs, lengths).values()) == [1, 2, 3]
    assert cache.scores("length", pairs[:1], lengths) == {text_key("a"): 1}
    assert calls == [["a", "bb", "ccc"]]


def test_two_scorers_never_share_a_score() -> None:
    cache = TextCache()
    pair = [(text_key("abc"), "abc")]
    assert cache.scores("one", pair, lambda texts: [1]) != cache.scores("two", pair, lambda texts: [2])


def test_the_oldest_texts_are_forgotten_but_an_answer_is_always_whole() -> None:
    cache = TextCache(most=2)
    pairs = [(text_key(text), text) for text in "abcd"]
    assert list(cache.scores("s", pairs, lambda texts: texts).values()) == list("abcd")
    again: list[str] = []
    cache.scores("s", pairs, lambda texts: again.extend(texts) or texts)
    assert again == ["a", "b"]


def test_a_scorer_that_answers_too_few_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        TextCache().scores("s", [(text_key("a"), "a"), (text_key("b"), "b")], lambda texts: [1])


def test_a_cache_for_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one text, not 0"):
        TextCache(0)


def test_what_was_computed_is_given_out_once_and_what_was_brought_in_never() -> None:
    cache = TextCache()
    known, new = text_key("known"), text_key("new")
    cache.fill("length", {known: 5})
    assert cache.known("length", [known, new]) == {known}
    assert cache.held("length", [known, new]) == {known: 5}
    assert cache.scores("length", [(known, "known"), (new, "new")], lambda texts: [len(text) for text in texts]) == {
        known: 5,
        new: 3,
    }
    assert cache.drain() == {"length": {new: 3}}
    assert cache.drain() == {}


def test_a_cache_that_is_filled_keeps_to_its_size() -> None:
    cache = TextCache(most=2)
    cache.fill("length", {text_key(text): len(text) for text in ("a", "bb", "ccc")})
    assert cache.held("length", map(text_key, ("a", "bb", "ccc"))) == {text_key("bb"): 2, text_key("ccc"): 3}


def test_what_is_filled_again_is_not_the_oldest() -> None:
    cache = TextCache(most=3)
    cache.fill("scorer", {b"1": 1, b"2": 2, b"3": 3})
    cache.fill("scorer", {b"1": 1, b"4": 4})
    assert set(cache.scores("scorer", [(key, "") for key in (b"1", b"3", b"4")], lambda _: [])) == {b"1", b"3", b"4"}
