"""Which metrics may be given to a random sample of the requests, and who is in it.

A score that takes a model's time is given to a sample where there is more traffic than time; everything else is given
to every row. Whether a row is in the sample is decided by a number drawn from its request id, before its texts are
looked at, so that the chance of each row is known and a weighted mean over the sample is the mean over all rows.

Source: Horvitz, Thompson (1952), A generalization of sampling without replacement from a finite universe.
"""

from hashlib import blake2b

LEFT_OUT = "left out of the sample"
"""How the reason begins for which a row that is not in the sample has no score."""

_PERPLEXITIES = frozenset({"response_perplexity", "prompt_perplexity"})
_TOXICITIES = frozenset({"response_toxicity", "prompt_toxicity"})
_CHEAP_TOXICITY = "keyword/"
_PERSON = b"lakehelm/sample"
"""Sets these hashes apart from every other use of a request id."""
_BITS = 53
"""As many as a float64 holds exactly."""


def is_sampled(metric: str, scorer: str) -> bool:
    """Whether `metric` by `scorer` may be given to a sample: its values then count with their row's `score_weight`.

    A value of any other metric always counts with weight 1, for every row has it.
    """
    return metric in _PERPLEXITIES or (metric in _TOXICITIES and not scorer.startswith(_CHEAP_TOXICITY))


def sample_number(request_id: str) -> float:
    """A number in [0, 1) drawn from the id, spread evenly; the row is in a sample of fraction f if it is less than f.

    It is the same in every process and release, and tells nothing about the id's bucket in `jobs.chunking`, nor that
    about it.
    """
    digest = blake2b(request_id.encode("utf-8", "surrogatepass"), digest_size=8, person=_PERSON).digest()
    return float((int.from_bytes(digest, "big") >> (64 - _BITS)) / 2**_BITS)


def in_sample(request_id: str, one_in: float) -> bool:
    """Whether the row is in a sample of 1 in `one_in` (≥ 1). A row that is in a sample is in every larger one, too."""
    return sample_number(request_id) * one_in < 1


def left_out_reason(one_in: float) -> str:
    """Why a row that is not in a sample of 1 in `one_in` has no score."""
    return f"{LEFT_OUT} (1 in {one_in:g} was scored)"
