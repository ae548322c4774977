"""What an evaluation measured: the figures that the gate judges. Facts only; what they mean is decided by the rules.

Every part has `not_run`: why it could not be measured, as a sentence; empty where it was.
"""

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    # Evidence of an older release may lack a part or hold one more: both are read.
    model_config = ConfigDict(extra="ignore", frozen=True)
    not_run: str = ""


class Loading(_Part):
    """Whether the version could be loaded and answered its own input example; `problem` is empty if so."""

    problem: str = ""
    seconds: float = 0.0


class SignatureComparison(_Part):
    """`broken`: what a caller of the live version would stumble over, a sentence each. `live` is that version."""

    live: str = ""
    inputs: int = 0
    outputs: int = 0
    broken: tuple[str, ...] = ()


class Requirements(_Part):
    """`problems`: packages that cannot be had or do not fit, a sentence each; `checked_by`: how that was seen."""

    packages: int = 0
    problems: tuple[str, ...] = ()
    checked_by: str = ""


class Failures(_Part):
    """How many questions (golden and replayed) were asked, and how many got an error or nothing. `first`: the first."""

    asked: int = 0
    failed: int = 0
    first: str = ""


class Golden(_Part):
    """Golden questions with an answer, or without one: how many were asked, and how many were dealt with rightly.

    `refused` were turned down, rightly or not. `source` is the set's name, `run_id` the MLflow run with every score.
    """

    questions: int = 0
    right: int = 0
    refused: int = 0
    rightness: str = ""
    """What counts as right, as a clause: `from the right page of the handbook`."""
    source: str = ""
    run_id: str = ""


class Grounding(_Part):
    """Of the golden answers that are no refusal: the mean share (0 to 1) of each one's runs of words that its sources
    have, and the least one's. `source` says what the sources are.
    """

    answers: int = 0
    mean: float | None = None
    least: float | None = None
    source: str = ""


class PairedFigure(_Part):
    """A score of the answers to n replayed prompts, of the evaluated version and of the live one.

    live, candidate: the means; of a ratio the geometric means. difference, low, high: candidate minus live with its
    95 % interval, or, of a ratio, candidate over live. `scorer` gave both sides' scores.
    """

    n: int = 0
    live: float | None = None
    candidate: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    ratio: bool = False
    scorer: str = ""
    scored_again: int = 0
    """Live answers whose stored score came from another scorer (or that had none), so that they were scored again."""
    left_out: int = 0
    """Of perplexity: pairs of answers that are not compared, as their lengths differ too much."""


class Flags(_Part):
    """Answers with a toxicity of at least `threshold`: of the evaluated version (golden ones too), and of the live one
    (to the replayed prompts).
    """

    answers: int = 0
    flagged: int = 0
    live_answers: int = 0
    live_flagged: int = 0
    threshold: float = 0.5
    scorer: str = ""


class Costs(_Part):
    """Mean cost in US dollars of the answers to n replayed prompts. `price`: whose price the evaluated version has."""

    n: int = 0
    candidate: float | None = None
    live: float | None = None
    price: str = ""


class Latency(_Part):
    """Seconds of n answers: median and 95th percentile. Of the evaluated version measured in the evaluation, one
    question after the other; of the live one as the endpoint logged them.
    """

    n: int = 0
    p50: float | None = None
    p95: float | None = None
    live_p50: float | None = None
    live_p95: float | None = None


class Replay(_Part):
    """How many logged prompts were asked again, and how many of them each version turned down."""

    prompts: int = 0
    refused: int = 0
    live_refused: int = 0


_NOT_MEASURED = "This evaluation did not measure it; ask for a new one."


class Evidence(BaseModel):
    """All that one evaluation found out about a version."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    loading: Loading = Loading(not_run=_NOT_MEASURED)
    signature: SignatureComparison = SignatureComparison(not_run=_NOT_MEASURED)
    requirements: Requirements = Requirements(not_run=_NOT_MEASURED)
    failures: Failures = Failures(not_run=_NOT_MEASURED)
    golden_answers: Golden = Golden(not_run=_NOT_MEASURED)
    golden_refusals: Golden = Golden(not_run=_NOT_MEASURED)
    grounding: Grounding = Grounding(not_run=_NOT_MEASURED)
    perplexity: PairedFigure = PairedFigure(not_run=_NOT_MEASURED)
    readability: PairedFigure = PairedFigure(not_run=_NOT_MEASURED)
    toxicity: Flags = Flags(not_run=_NOT_MEASURED)
    cost: Costs = Costs(not_run=_NOT_MEASURED)
    latency: Latency = Latency(not_run=_NOT_MEASURED)
    replayed: int = 0
    """Logged prompts that were asked again."""
    no_replay: str = ""
    """Why none were, as a sentence."""
    replay_refused: int = 0
    live_refused: int = 0
    """How many of them the evaluated version turned down, and how many the live one did."""
    seconds: dict[str, float] = {}
    """How long each part of the evaluation took."""

    @property
    def replay(self) -> Replay:
        """The replay as a part of its own."""
        return Replay(
            not_run=self.no_replay,
            prompts=self.replayed,
            refused=self.replay_refused,
            live_refused=self.live_refused,
        )
