import json
import os
from pathlib import Path

import numpy as np
import pytest

from metrics.engines.errors import ModelNotPrepared, ModelUnusable
from metrics.engines.gguf_file import GgufFile
from metrics.engines.perplexity import PerplexityEngine
from metrics.engines.preparation import PACKAGED_MODEL, packaged_gguf, prepare_perplexity
from metrics.engines.prepared_folder import DESCRIPTION, description, is_prepared, weights_hash, written_at_once
from tests.metrics.engines.reference import reference_perplexity, relative_errors
from tests.metrics.engines.tiny_models import write_tiny_causal_model

TEXTS = ["The gateway is down.", "x", "Grüße 🚀", "to be or not to be"]


@pytest.fixture(scope="module")
def hugging_face_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hf") / "Tiny-GPT2"
    write_tiny_causal_model(folder)
    return folder


@pytest.fixture
def expected(hugging_face_folder: Path) -> list[float]:
    from metrics.engines.torch_perplexity import causal_model

    model, tokenizer = causal_model(hugging_face_folder)
    reference = reference_perplexity(model, tokenizer.backend_tokenizer, tokenizer.bos_token_id)
    return [reference(text) for text in TEXTS]


def test_any_hugging_face_folder_becomes_an_engine_with_its_numbers(
    hugging_face_folder: Path, expected: list[float], tmp_path: Path
) -> None:
    prepare_perplexity(str(hugging_face_folder), tmp_path / "perplexity")
    engine = PerplexityEngine.load(tmp_path / "perplexity", threads=1)
    assert engine.name.startswith(f"tiny-gpt2@{weights_hash(hugging_face_folder)}/openvino-")
    assert max(relative_errors(engine.score(TEXTS).perplexity.tolist(), expected)) < 0.02
    assert engine.score(["a" * 100]).tokens.tolist() == [39]


def test_the_pytorch_engine_gives_the_same_numbers(
    hugging_face_folder: Path, expected: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metrics.engines.preparation._wants_torch", lambda: True)
    prepare_perplexity(str(hugging_face_folder), tmp_path / "perplexity")
    engine = PerplexityEngine.load(tmp_path / "perplexity", threads=1)
    assert engine.name == f"tiny-gpt2@{weights_hash(hugging_face_folder)}/torch-f32/1"
    assert max(relative_errors(engine.score(TEXTS).perplexity.tolist(), expected)) < 1e-3


def test_a_second_preparation_changes_nothing_and_another_model_takes_the_place(
    hugging_face_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "perplexity"
    with written_at_once(folder, {"setting": "an earlier one"}):
        pass
    prepare_perplexity(str(hugging_face_folder), folder)
    assert not is_prepared(folder, "an earlier one")
    assert is_prepared(folder, str(hugging_face_folder))
    steps: list[str] = []
    prepare_perplexity(str(hugging_face_folder), folder, steps.append)
    assert steps == []
    assert [path.name for path in tmp_path.iterdir()] == ["perplexity"]


def test_weights_have_a_hash_that_tells_models_of_one_name_apart(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "model.gguf").write_bytes(bytes([number]) * 5_000_000)
        (tmp_path / f"{number}" / "weights.safetensors").write_bytes(bytes([number]))
    files = [weights_hash(tmp_path / f"{number}" / "model.gguf") for number in (1, 2, 1)]
    folders = [weights_hash(tmp_path / f"{number}") for number in (1, 2, 1)]
    assert len({*files, *folders}) == 4
    assert (files[0], folders[0]) == (files[2], folders[2])


def test_a_folder_counts_as_prepared_for_its_precision_only(tmp_path: Path) -> None:
    for name, about in (
        ("old", {}),
        ("float", {"precision_setting": "float"}),
        ("int8", {"precision_setting": "int8"}),
    ):
        with written_at_once(tmp_path / name, {"setting": "one", **about}):
            pass
    assert [is_prepared(tmp_path / name, "one", "float") for name in ("old", "float", "int8")] == [True, True, False]
    assert [is_prepared(tmp_path / name, "one", "int8") for name in ("old", "float", "int8")] == [False, False, True]
    assert is_prepared(tmp_path / "int8", "one")


def test_a_preparation_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "perplexity"
    with written_at_once(folder, {"setting": "good"}) as work:
        (work / "weights").write_text("kept")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(packaged_gguf().read_bytes()[:2_000_000])
    with pytest.raises(ModelUnusable, match=r"broken\.gguf"):
        prepare_perplexity(str(broken), folder)
    assert (folder / "weights").read_text() == "kept"
    assert is_prepared(folder, "good")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.gguf", "perplexity"]


@pytest.mark.parametrize(
    "content",
    [b"", b"GGUF", b"GGML" + bytes(60), b"GGUF" + bytes([3, 0, 0, 0]) + b"\xff" * 16, b"GGUF" + bytes([9]) + bytes(50)],
    ids=["empty", "only the mark", "another format", "endless", "unknown version"],
)
def test_a_file_that_is_no_gguf_is_refused_in_one_sentence(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    with pytest.raises(ModelUnusable, match=r"model\.gguf .*\.$"):
        prepare_perplexity(str(file), tmp_path / "perplexity")


def test_a_model_that_is_neither_package_nor_path_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match=r"'/no/such/model'.*LAKEHELM_PERPLEXITY_MODEL"):
        prepare_perplexity("/no/such/model", tmp_path / "perplexity")


def test_a_folder_of_another_release_or_without_description_counts_as_not_prepared(tmp_path: Path) -> None:
    assert not is_prepared(tmp_path)
    (tmp_path / DESCRIPTION).write_text(json.dumps({"format": 0, "setting": PACKAGED_MODEL}))
    assert not is_prepared(tmp_path)
    with pytest.raises(ModelNotPrepared, match="another release"):
        description(tmp_path)


def test_what_a_killed_preparation_left_is_removed_by_a_later_one(tmp_path: Path) -> None:
    killed, running = tmp_path / ".perplexity-killed", tmp_path / ".perplexity-running"
    for left in (killed, running):
        left.mkdir()
    os.utime(killed, (0, 0))
    with written_at_once(tmp_path / "perplexity", {"setting": "one"}):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [running.name, "perplexity"]


def test_a_damaged_compiled_model_is_made_again(hugging_face_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "perplexity"
    prepare_perplexity(str(hugging_face_folder), folder)
    expected = PerplexityEngine.load(folder, threads=1).score(TEXTS).perplexity
    (compiled,) = folder.glob("compiled-*.blob")
    compiled.write_bytes(b"damaged")
    again = PerplexityEngine.load(folder, threads=1).score(TEXTS).perplexity
    np.testing.assert_allclose(again, expected, rtol=1e-3)
    assert compiled.stat().st_size > 1000


def test_the_packaged_file_is_read_as_the_gguf_package_reads_it() -> None:
    from gguf import GGUFReader
    from gguf.quants import dequantize

    ours, theirs = GgufFile.read(packaged_gguf()), GGUFReader(str(packaged_gguf()))
    assert ours.values["tokenizer.ggml.tokens"][100:200] == theirs.fields["tokenizer.ggml.tokens"].contents()[100:200]
    assert ours.context_length == theirs.fields["llama.context_length"].contents()
    weights = {tensor.name: tensor for tensor in theirs.tensors}
    assert ours.places.keys() == weights.keys()
    for name in ("blk.7.ffn_down.weight", "blk.29.attn_norm.weight", "blk.0.attn_output.weight"):
        expected = dequantize(weights[name].data, weights[name].tensor_type)
        np.testing.assert_array_equal(ours._weight(ours.places[name]), expected)


@pytest.mark.soak
def test_the_tokenizer_is_the_one_that_transformers_makes_of_the_file(chat_corpus: Path) -> None:
    from transformers import AutoTokenizer

    file = packaged_gguf()
    theirs = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    ours = GgufFile.read(file).tokenizer()
    for name in ("gpt-3.5-turbo-0301.jsonl", "gpt-3.5-turbo-0613.jsonl"):
        for line in (chat_corpus / name).read_text(encoding="utf-8").splitlines():
            text = json.loads(line)["response"]
            assert (
                ours.encode(text, add_special_tokens=False).ids == theirs(text, add_special_tokens=False)["input_ids"]
            )
