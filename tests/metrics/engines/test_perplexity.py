import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metrics.engines.gguf_file import GgufFile
from metrics.engines.perplexity import MAX_TOKENS, PerplexityEngine
from metrics.engines.preparation import packaged_gguf
from metrics.engines.torch_perplexity import llama_model
from tests.metrics.engines.reference import reference_perplexity, relative_errors

TEXTS = (
    "The gateway keeps the previous version warm, so a rollback takes less than a second.",
    "ok",
    "a",
    " leading and trailing blanks stay \n\n",
    "def add(a, b):\n\treturn a + b  # 12345\n",
    "Die Bibliothek öffnet um 9:30 Uhr — außer montags.",
    "🚀🔥" * 20,
    "control \x00\x01\x07 characters \x1b[31m",
    "<|im_start|>user\nhello<|im_end|>",
    "你好，今天天气怎么样？",
)


@pytest.fixture(scope="module")
def engine(prepared_models: Path) -> PerplexityEngine:
    return PerplexityEngine.load(prepared_models / "perplexity", threads=2)


@pytest.fixture(scope="module")
def brief(engine: PerplexityEngine) -> PerplexityEngine:
    """The same engine with a lower limit, so that texts beyond it cost little."""
    return replace(engine, max_tokens=64)


def test_the_numbers_are_those_of_hugging_face_in_float32_one_text_at_a_time(engine: PerplexityEngine) -> None:
    model = llama_model(GgufFile.read(packaged_gguf()))
    reference = reference_perplexity(model, engine.tokenizer, engine.first_token)
    errors = relative_errors(engine.score(TEXTS).perplexity.tolist(), [reference(text) for text in TEXTS])
    exact = "f32" in engine.name
    assert max(errors) < (0.01 if exact else 0.1)
    assert np.median(errors) < (0.003 if exact else 0.02)


def test_a_text_scores_the_same_alone_and_in_any_company(engine: PerplexityEngine) -> None:
    together = engine.score(TEXTS).perplexity
    backwards = engine.score(TEXTS[::-1]).perplexity[::-1]
    alone = [engine.score([text]).perplexity[0] for text in TEXTS]
    tolerance = 1e-3 if "f32" in engine.name else 5e-2
    np.testing.assert_allclose(together, alone, rtol=tolerance)
    np.testing.assert_allclose(together, backwards, rtol=tolerance)


def test_the_name_says_model_engine_precision_and_version(engine: PerplexityEngine) -> None:
    assert engine.name in {f"smollm2-135m-q4_1/openvino-{p}/1" for p in ("f32", "bf16")} | {
        "smollm2-135m-q4_1/torch-f32/1"
    }


def test_an_empty_text_has_no_perplexity_and_a_reason_and_harms_no_other(engine: PerplexityEngine) -> None:
    scores = engine.score(["", "hello there", ""])
    assert np.isnan(scores.perplexity).tolist() == [True, False, True]
    assert scores.tokens.tolist() == [0, 2, 0]
    assert list(scores.reasons) == ["the text is empty", None, "the text is empty"]


def test_ten_thousand_empty_texts_and_no_text_at_all_are_answered(engine: PerplexityEngine) -> None:
    assert np.isnan(engine.score([""] * 10_000).perplexity).all()
    assert len(engine.score([]).perplexity) == 0
    assert len(engine.count_tokens([])) == 0


def test_a_long_text_is_scored_by_its_first_2048_tokens_and_says_so(engine: PerplexityEngine) -> None:
    words = "The metrics job reads the new rows of the inference table and scores each distinct text once. " * 150
    assert engine.count_tokens([words])[0] > MAX_TOKENS
    assert engine.score([words]).tokens.tolist() == [MAX_TOKENS]


def test_what_comes_after_the_limit_changes_nothing(brief: PerplexityEngine) -> None:
    words = "The metrics job reads the new rows of the inference table and scores each distinct text once. " * 5
    beginning = brief.tokenizer.decode(brief.tokenizer.encode(words, add_special_tokens=False).ids[:64])
    scores = brief.score([words, beginning])
    assert scores.tokens.tolist() == [64, 64]
    assert scores.perplexity[0] == pytest.approx(scores.perplexity[1], rel=1e-4 if "f32" in brief.name else 5e-2)


def test_the_whole_of_a_huge_text_is_counted_and_only_its_beginning_scored(brief: PerplexityEngine) -> None:
    page = "Every distinct request id has exactly one row, and what is unscored carries its reason.\n"
    huge = page * 4000
    encoded = len(brief.tokenizer.encode(huge, add_special_tokens=False).ids)
    assert brief.count_tokens([huge, page]).tolist() == [encoded, encoded // 4000]
    assert brief.score([huge]).tokens.tolist() == [64]


@pytest.mark.parametrize(
    "text",
    [
        "😀" * 5000,
        "\x00" * 3000,
        "a" * 100_000,
        " " * 300_000,
        "\ud800 lone surrogate",
        "e\u0301\u200d\u202e",
        "\ufeff",
    ],
    ids=["emoji", "nul", "one letter", "blanks", "surrogate", "combining", "byte order mark"],
)
def test_strange_texts_have_a_finite_perplexity(brief: PerplexityEngine, text: str) -> None:
    scores = brief.score([text])
    assert scores.perplexity[0] >= 1
    assert 1 <= scores.tokens[0] <= 64
    assert math.isfinite(scores.perplexity[0])
    assert brief.count_tokens([text])[0] >= scores.tokens[0]


def test_progress_counts_up_to_all_texts(engine: PerplexityEngine) -> None:
    seen: list[tuple[int, int]] = []
    engine.score(["one text", "", "another text"], on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (3, 3)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_an_older_and_a_newer_answer_of_a_real_chat_log_are_scored(engine: PerplexityEngine, chat_corpus: Path) -> None:
    with (chat_corpus / "gpt-3.5-turbo-0301.jsonl").open(encoding="utf-8") as lines:
        responses = [json.loads(line)["response"] for _, line in zip(range(12), lines, strict=False)]
    scores = engine.score([response[:200] for response in responses])
    assert (scores.perplexity > 1).all()
    assert (scores.perplexity < 200).all()
