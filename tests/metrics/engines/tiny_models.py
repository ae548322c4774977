"""Very small random models, written as their real kinds, so that every way of preparing one runs in seconds."""

import json
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


def write_tiny_detoxify(folder: Path, extra: Any = None) -> Path:
    """A detoxify checkpoint with its configuration and tokenizer beside it; returns the checkpoint."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(2)
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    kind = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 24}
    (folder / "tokenizer_config.json").write_text(json.dumps(kind), encoding="utf-8")
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=24,
        num_labels=3,
        initializer_range=0.5,
    )
    config.save_pretrained(folder)
    names = {
        "model_type": str(folder),
        "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizer",
    }
    content: dict[str, Any] = {
        "config": {
            "arch": {"args": {**names, "num_classes": 3}},
            "dataset": {"args": {"classes": ["toxic", "severe_toxic", "identity_hate"]}},
        },
        "state_dict": BertForSequenceClassification(config).state_dict(),
    }
    if extra is not None:
        content["extra"] = extra
    checkpoint = folder / "tiny.ckpt"
    torch.save(content, checkpoint)
    return checkpoint
