"""Very small random models, written as their real kinds, so that every way of preparing one runs in seconds."""

from pathlib import Path
from typing import Any

WORDS = ["the", "gateway", "is", "down", "you", "are", "an", "idiot", "hello", ",", ".", "!"]


def write_tiny_causal_model(folder: Path) -> None:
    """A Hugging Face folder with a GPT-2 of two layers over the 256 bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    torch.manual_seed(1)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {character: i for i, character in enumerate(["<first>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<first>").save_pretrained(folder)
    config = GPT2Config(vocab_size=257, n_positions=40, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0)
    GPT2LMHeadModel(config).save_pretrained(folder)


DETOXIFY_FAMILIES = {
    "original": "Bert",
    "unbiased": "Roberta",
    "multilingual": "XLMRoberta",
    "unbiased-small": "Albert",
}
"""A published variant of each kind of model, and the beginning of the names of its classes in transformers."""
_SIX_LABELS = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
_SEVEN_LABELS = ["toxicity", "severe_toxicity", "obscene", "identity_attack", "insult", "threat", "sexual_explicit"]


def write_tiny_detoxify(folder: Path, variant: str = "original", extra: Any = None) -> Path:
    """A checkpoint as detoxify publishes that variant, with its configuration and tokenizer beside it.

    Returns the checkpoint. The models about identities have nine outputs more than labels, and RoBERTa's brings a layer
    that today's transformers does not use, as the published ones do.
    """
    import torch
    import transformers

    torch.manual_seed(2)
    family = DETOXIFY_FAMILIES[variant]
    tokenizer = _tiny_tokenizer(family)
    tokenizer.save_pretrained(folder)
    labels = _SIX_LABELS if variant == "original" else _SEVEN_LABELS
    outputs = len(labels) if variant == "original" else len(labels) + 9
    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(tokenizer),
        embedding_size=16,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=26,
        type_vocab_size=2 if family in {"Bert", "Albert"} else 1,
        pad_token_id=tokenizer.pad_token_id,
        num_labels=outputs,
        initializer_range=0.5,
    )
    config.save_pretrained(folder)
    weights = getattr(transformers, f"{family}ForSequenceClassification")(config).state_dict()
    if family == "Roberta":
        weights["roberta.pooler.dense.weight"] = torch.zeros(32, 32)
    names = {
        "model_type": str(folder),
        "model_name": f"{family}ForSequenceClassification",
        "tokenizer_name": f"{family}Tokenizer",
    }
    content: dict[str, Any] = {
        "config": {"arch": {"args": {**names, "num_classes": outputs}}, "dataset": {"args": {"classes": labels}}},
        "state_dict": weights,
    }
    if extra is not None:
        content["extra"] = extra
    checkpoint = folder / "tiny.ckpt"
    torch.save(content, checkpoint)
    return checkpoint


def _tiny_tokenizer(family: str) -> Any:
    """The family's own tokenizer over a few words, letters or bytes, for texts of up to 24 tokens."""
    from tokenizers import pre_tokenizers
    from transformers import AlbertTokenizer, BertTokenizer, RobertaTokenizer, XLMRobertaTokenizer

    letters = sorted({letter for word in WORDS for letter in word})
    if family == "Bert":
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        return BertTokenizer(vocab={word: i for i, word in enumerate([*special, *WORDS])}, model_max_length=24)
    if family == "Roberta":
        pieces = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
        merges = [("y", "o"), ("yo", "u"), ("Ġ", "a")]
        vocabulary = {piece: i for i, piece in enumerate([*pieces, "yo", "you", "Ġa"])}
        return RobertaTokenizer(vocab=vocabulary, merges=merges, model_max_length=24)
    pieces = ["▁", *letters, *(f"▁{word}" for word in WORDS), "шлюз", "▁你"]
    scored = [(piece, -float(i)) for i, piece in enumerate(pieces, 1)]
    if family == "XLMRoberta":
        special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        return XLMRobertaTokenizer(vocab=[*((one, 0.0) for one in special), *scored], model_max_length=24)
    special = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
    return AlbertTokenizer(vocab=[*((one, 0.0) for one in special), *scored], model_max_length=24)
