"""The packaged model in eight bits on real answers, against itself in floats."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from metrics.engines.perplexity import PerplexityEngine
from metrics.engines.preparation import PACKAGED_MODEL, prepare_perplexity
from tests.metrics.engines.processors import multiplies_eight_bits

pytestmark = pytest.mark.soak


@pytest.mark.skipif(not multiplies_eight_bits(), reason="needs a processor with VNNI")
def test_eight_bits_are_near_the_floats_on_real_answers_and_keep_their_order(
    chat_corpus: Path, prepared_models: Path, tmp_path: Path
) -> None:
    lines = (chat_corpus / "gpt-3.5-turbo-0613.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [answer[:500] for line in lines if len(answer := json.loads(line)["response"]) > 100][:60]
    prepare_perplexity(PACKAGED_MODEL, tmp_path / "perplexity", precision="int8")
    near = PerplexityEngine.load(tmp_path / "perplexity", threads=2)
    assert near.name == "smollm2-135m-q4_1/openvino-int8/1"
    exact = PerplexityEngine.load(prepared_models / "perplexity", threads=2).score(answers).perplexity
    numbers = near.score(answers).perplexity
    assert np.median(np.abs(numbers / exact - 1)) < 0.03
    assert spearmanr(numbers, exact).statistic > 0.99
