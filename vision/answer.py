"""What an answer is made of, whoever gives it: the embedded reader or a multimodal model."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Turn:
    """An earlier question about the same image, and its answer in Markdown."""

    question: str
    answer: str


@dataclass(frozen=True)
class Usage:
    """What an answer took; the last thing an answer yields. None where the model does not say."""

    model: str
    seconds: float
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    price_source: str | None = None
