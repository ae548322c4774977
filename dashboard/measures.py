"""Every number that a page shows of a request: what it is called, its unit, and which way is better."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Measure:
    """A column of `request_metrics` as people read it. `unit` stands at axes; `better` is None where neither way is."""

    column: str
    title: str
    unit: str
    meaning: str
    decimals: int
    better: Literal["lower", "higher"] | None = None


MEASURES = {
    measure.column: measure
    for measure in (
        Measure(
            "response_perplexity",
            "Perplexity",
            "≥ 1",
            "Surprise of a small language model at the answer; lower reads more fluent.",
            1,
            "lower",
        ),
        Measure("prompt_perplexity", "Perplexity of the prompt", "≥ 1", "The same of the prompt.", 1),
        Measure(
            "response_fk_grade",
            "Flesch-Kincaid grade",
            "US grade",
            "Years of school that a reader needs; lower is easier.",
            2,
            "lower",
        ),
        Measure("prompt_fk_grade", "Flesch-Kincaid grade of the prompt", "US grade", "The same of the prompt.", 2),
        Measure(
            "response_reading_ease",
            "Flesch reading ease",
            "about 0 to 100",
            "How easy the answer is to read; higher is easier.",
            1,
            "higher",
        ),
        Measure(
            "response_ari",
            "Automated Readability Index",
            "US grade",
            "Years of school, by the lengths of words and sentences; lower is easier.",
            2,
            "lower",
        ),
        Measure("response_toxicity", "Toxicity", "0 to 1", "How toxic the answer reads; lower is better.", 4, "lower"),
        Measure("prompt_toxicity", "Toxicity of the prompt", "0 to 1", "How toxic the prompt reads.", 4),
        Measure("prompt_tokens", "Tokens in", "tokens", "Length of the prompt.", 0),
        Measure("completion_tokens", "Tokens out", "tokens", "Length of the answer.", 0),
        Measure(
            "execution_duration_ms",
            "Latency",
            "ms",
            "How long the endpoint took to answer; lower is better.",
            0,
            "lower",
        ),
        Measure("cost_usd", "Cost", "US dollars", "Tokens times the price that held then.", 6, "lower"),
    )
}
