"""The toxicity engine against `detoxify.predict` as people call it: one text at a time, and lists as they come.

One line each: texts a second of wall time, the median of turns in which both score the same texts one after the other,
and how far the engine's toxicities are from detoxify's. The texts are real prompts and answers in turn, as rows have
them. The weights are random, in detoxify's own format and of the size of its `original` variant (BERT base), so that
nothing is downloaded: speed does not depend on the values.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metrics.engines.preparation import prepare_toxicity
from metrics.engines.toxicity import load_toxicity
from settings import get_settings

CHAT = Path(__file__).parents[1] / ".." / "shared" / "corpus" / "chat" / "gpt-3.5-turbo-0301.jsonl"
TURNS = 3
LIST = 16
WORDS = 30_522
"""Words of BERT base. Ours are learnt from the texts themselves, so texts have about as many tokens as there."""
LABELS = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]


def write_checkpoint(folder: Path, words_from: list[str]) -> Path:
    """A checkpoint as detoxify publishes them, with configuration and tokenizer beside it."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    learnt = BertWordPieceTokenizer()
    learnt.train_from_iterator(words_from, vocab_size=WORDS, min_frequency=1, show_progress=False)
    BertTokenizer(vocab=learnt.get_vocab(), model_max_length=512).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=WORDS, num_labels=len(LABELS))
    config.save_pretrained(folder)
    names = {"model_name": "BertForSequenceClassification", "tokenizer_name": "BertTokenizer"}
    architecture = {**names, "model_type": str(folder), "num_classes": len(LABELS)}
    checkpoint = folder / "random.ckpt"
    content = {
        "config": {"arch": {"args": architecture}, "dataset": {"args": {"classes": LABELS}}},
        "state_dict": BertForSequenceClassification(config).state_dict(),
    }
    torch.save(content, checkpoint)
    return checkpoint


def texts() -> list[str]:
    """Prompts and answers in turn."""
    rows = [json.loads(line) for line in CHAT.read_text(encoding="utf-8").splitlines()]
    return [text for row in rows for text in (row["prompt"], row["response"]) if text]


def in_lists(peer: Any, batch: list[str], size: int) -> list[float]:
    """`predict` over lists in the order in which the texts come; a list of one is given as a text."""
    if size == 1:
        return [peer.predict(text)["toxicity"] for text in batch]
    lists = [batch[start : start + size] for start in range(0, len(batch), size)]
    return [value for one in lists for value in peer.predict(one)["toxicity"]]


def measured(score: Callable[[], Any], count: int) -> tuple[Any, float]:
    """What scoring gave, and texts a second of wall time."""
    started = time.perf_counter()
    return score(), count / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", type=int, default=LIST, help="how many texts a list and a turn have (16, 32)")
    size = parser.parse_known_args()[0].list
    if not CHAT.exists():
        print(json.dumps({"bench": "toxicity", "skipped": "the chat corpus is not there"}))
        return
    import torch
    from detoxify import Detoxify

    cores = get_settings().cores
    torch.set_num_threads(cores)
    everything = texts()
    apart = len(everything) // (TURNS * size)
    sample = [everything[i * 2 * apart + j] for i in range(TURNS * size // 2) for j in (0, 1)]
    with tempfile.TemporaryDirectory() as name:
        checkpoint = write_checkpoint(Path(name) / "checkpoint", everything)
        prepare_toxicity("original", str(checkpoint), Path(name) / "toxicity")
        engine = load_toxicity(Path(name) / "toxicity", cores)
        peer = Detoxify(checkpoint=str(checkpoint), huggingface_config_path=str(checkpoint.parent))
        for warm_up in (engine.score, peer.predict):
            warm_up(sample[:1])
        turns = []
        for start in range(0, len(sample), size):
            batch = sample[start : start + size]
            ours = measured(lambda batch=batch: engine.score(batch).values, size)  # type: ignore[misc]
            alone = measured(lambda batch=batch: in_lists(peer, batch, 1), size)  # type: ignore[misc]
            together = measured(lambda batch=batch: in_lists(peer, batch, size), size)  # type: ignore[misc]
            turns.append((ours, alone, together))
    for place, way in ((1, "one text at a time"), (2, f"lists of {size}")):
        print(json.dumps(line(engine.name, way, [(turn[0], turn[place]) for turn in turns])), flush=True)


def line(scorer: str, way: str, turns: list[tuple[tuple[Any, float], tuple[Any, float]]]) -> dict[str, Any]:
    """What is printed of one way to call detoxify, from what each turn gave: ours and theirs, each with its speed.

    The ratio is the median of the turns' own ratios.
    """
    return {
        "bench": f"toxicity: {scorer} against detoxify.predict, {way} (random weights of BERT base)",
        "ours": round(statistics.median(ours for (_, ours), _ in turns), 2),
        "peer": round(statistics.median(theirs for _, (_, theirs) in turns), 2),
        "ratio": round(statistics.median(ours / theirs for (_, ours), (_, theirs) in turns), 2),
        "unit": "texts/s",
        "texts": sum(len(values) for (values, _), _ in turns),
        "error_max": float(f"{max(abs(values - others).max() for (values, _), (others, _) in turns):.2g}"),
    }


if __name__ == "__main__":
    main()
