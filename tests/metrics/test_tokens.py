from metrics.bodies import Exchange
from metrics.tokens import COUNTED_CHARACTERS, TokenCounts, texts_to_count, token_counts

CONVERSATION = (("system", "ab"), ("user", "cde"))


def test_usage_comes_before_counting() -> None:
    exchange = Exchange("cde", "four", 10, 20, None, CONVERSATION)
    assert texts_to_count(exchange) == []
    assert token_counts(exchange, len, "letters") == TokenCounts(10, 20, "usage")


def test_what_usage_lacks_is_counted_and_both_sources_are_named() -> None:
    exchange = Exchange("cde", "four", 10, None, None, CONVERSATION)
    assert texts_to_count(exchange) == ["four"]
    assert token_counts(exchange, len, "letters") == TokenCounts(10, 4, "usage+letters")


def test_the_prompt_is_every_turn_of_the_conversation() -> None:
    exchange = Exchange("cde", "four", conversation=CONVERSATION)
    assert texts_to_count(exchange) == ["ab", "cde", "four"]
    assert token_counts(exchange, len, "letters") == TokenCounts(5, 4, "letters")


def test_a_count_that_is_missing_has_its_reason() -> None:
    lost = Exchange("cde", None, conversation=CONVERSATION, problems={"response": "the response was not logged"})
    assert token_counts(lost, len, "letters").problems == {"completion_tokens": "the response was not logged"}
    counts = token_counts(lost, None, "")
    assert (counts.prompt_tokens, counts.source) == (None, None)
    assert counts.problems["prompt_tokens"] == "no usage is reported, and there is no tokenizer to count with"


def test_a_text_too_long_to_count_is_not_counted() -> None:
    huge = "x" * (COUNTED_CHARACTERS + 1)
    exchange = Exchange("q", huge, conversation=(("user", "q"),))
    assert texts_to_count(exchange) == ["q"]
    assert "longer than 1,000,000 characters" in token_counts(exchange, len, "letters").problems["completion_tokens"]
