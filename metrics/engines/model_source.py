"""Where the files of a model come from that is named as on Hugging Face's hub: its local cache, else the hub, once.

Only what holds numbers and words is taken: configuration, tokenizer, and weights as safetensors. No code and no pickle.
"""

import json
import re
from pathlib import Path

CONNECT_SECONDS = 5
"""How long a server may take to answer before it counts as out of reach."""
_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_CONFIGURATION = "config.json"
_WEIGHTS = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
_WEIGHTS_INDEX = "model.safetensors.index.json"
_TOKENIZER = re.compile(r"tokenizer\.json|vocab\.(txt|json)|spiece\.model|sentencepiece\.bpe\.model|tokenizer\.model")
_TOKENIZER_EXTRAS = {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt"}


class OutOfReach(Exception):
    """What a model needs is not on this machine and cannot be fetched now. The message is a clause that says why."""


def is_hub_name(model: str) -> bool:
    """Whether this could be a model's name on the hub: `gpt2`, `HuggingFaceTB/SmolLM2-360M-Instruct`."""
    return _HUB_NAME.fullmatch(model) is not None and not model.endswith(".gguf")


def hub_folder(name: str, weights: bool) -> Path:
    """A folder with a model's configuration and tokenizer, and its safetensors if `weights`.

    It is looked for in Hugging Face's cache and fetched into it otherwise. The folder's name is the revision that was
    published. Raises OutOfReach.
    """
    found = _cached(name)
    if found is not None and _is_whole(found, weights):
        return found
    return _fetched(name, weights)


def _cached(name: str) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, local_files_only=True, allow_patterns=[_CONFIGURATION]))
    except HFValidationError as error:
        raise OutOfReach("that is no name of a model on Hugging Face's hub") from error
    except LocalEntryNotFoundError:
        return None


def _is_whole(folder: Path, weights: bool) -> bool:
    """A cache may hold a part only: each program fetches what it needs."""
    names = {file.name for file in folder.iterdir() if file.exists()}
    whole = _CONFIGURATION in names and any(_TOKENIZER.fullmatch(name) for name in names)
    return whole and (not weights or _has_weights(folder, names))


def _has_weights(folder: Path, names: set[str]) -> bool:
    if _WEIGHTS_INDEX in names:
        pieces = json.loads((folder / _WEIGHTS_INDEX).read_text(encoding="utf-8"))["weight_map"].values()
        return names.issuperset(pieces)
    return any(_WEIGHTS.fullmatch(name) for name in names)


def _fetched(name: str, weights: bool) -> Path:
    import huggingface_hub.errors as hub
    from httpx2 import HTTPError
    from huggingface_hub import HfApi, snapshot_download

    try:
        published = {file.rfilename for file in HfApi().model_info(name, timeout=CONNECT_SECONDS).siblings or []}
        wanted = sorted(file for file in published if _is_wanted(file, weights))
        if weights and not any(_WEIGHTS.fullmatch(file) for file in wanted):
            raise OutOfReach("it is published without safetensors, and other weights could run code")
        return Path(snapshot_download(name, allow_patterns=wanted, etag_timeout=CONNECT_SECONDS))
    except hub.GatedRepoError as error:
        raise OutOfReach("it is given only to people whom its owner allows: log in with `hf auth login`") from error
    except hub.RepositoryNotFoundError as error:
        raise OutOfReach("Hugging Face's hub has no public model of that name") from error
    except hub.OfflineModeIsEnabled as error:
        raise OutOfReach("it is not in Hugging Face's cache, and HF_HUB_OFFLINE forbids to fetch it") from error
    except (HTTPError, OSError) as error:
        raise OutOfReach(f"Hugging Face's hub could not be reached ({type(error).__name__})") from error


def _is_wanted(file: str, weights: bool) -> bool:
    if file == _CONFIGURATION or file in _TOKENIZER_EXTRAS or _TOKENIZER.fullmatch(file):
        return True
    return weights and (file == _WEIGHTS_INDEX or _WEIGHTS.fullmatch(file) is not None)
