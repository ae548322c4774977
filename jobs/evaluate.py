"""`python -m jobs evaluate VERSION`: find out about a version of the test model what the promotion gate wants to know.

The version is loaded and asked golden questions and the last logged prompts; its answers are scored by the engines of
the metrics job, beside the live version's answers. What was measured is stored; the gate judges it when it is asked.
"""

import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from jobs.candidate import Candidate
from jobs.errors import JobError, ModelsNotPrepared, failures_written_down
from jobs.evaluated_version import compared_signatures, input_names, packages_of
from jobs.evaluation_figures import Found, answers_of, evidence_of
from jobs.evaluation_questions import ask_all, prompts_to_replay, questions_of
from jobs.evaluation_scores import Asked, pricing_of, score_asked
from jobs.golden_scores import score_golden
from jobs.golden_sets import golden_set
from jobs.one_at_a_time import one_at_a_time
from jobs.requesters import who_asked
from jobs.scorers import ScoringTools, load_scoring_tools
from lakehouse.errors import LakehouseError
from lakehouse.runs import finish_run, start_run
from lakehouse.status import write_status
from metrics.engines.errors import EngineError
from metrics.grounding import is_refusal
from registry.errors import RegistryError
from registry.evaluations import Evaluation, record_evaluation
from registry.evidence import Loading
from registry.gate_rules import load_rules
from registry.verdict import verdict
from registry.versions import CHAMPION, ModelVersion, find, get
from settings import Settings, get_settings

ASKING_SHARE = 0.2
"""Of the time that a run may take, the share after which no further question is begun. The metrics job waits for an
evaluation that was asked for on a page, so it must not take long."""
STAGES = {
    "look": "Looking up the version and the last logged prompts",
    "packages": "Checking its packages",
    "signature": "Comparing its signature",
    "load": "Loading it",
    "ask": "Asking it",
    "golden": "Judging its golden answers",
    "score": "Scoring its answers",
}
"""What is being done, as the page says it."""
MARKS = {"passed": "passed       ", "failed": "failed       ", "could_not_run": "could not run"}
_STATUS_SECONDS = 0.5


def evaluate(
    settings: Settings,
    version: str,
    *,
    trigger: str = "command",
    request_id: str = "",
    asking_seconds: float | None = None,
    load: Callable[[Settings], ScoringTools] = load_scoring_tools,
    requested_by: str = "",
) -> Evaluation:
    """Evaluate a version of the test model (its number, or `@challenger`) against the version that is live now.

    A version that does not start is evaluated too: that is what is found out about it. No question is begun any more
    after `asking_seconds` (default: 0.2 of `settings.job_timeout_seconds`); the kinds of questions take turns, so that
    each has had its share by then. The run stands in `job_runs`.

    Raises: VersionMissing, JobError, LakehouseError, RegistryError or EngineError, after writing it down. StillAtWork,
    if another evaluation of the workspace runs for longer than a run may.
    """
    with one_at_a_time(settings, "evaluate", settings.job_timeout_seconds):
        run_id = start_run(settings, "evaluate", trigger, request_id)
        seconds = ASKING_SHARE * settings.job_timeout_seconds if asking_seconds is None else asking_seconds
        run = _Run(settings, version, seconds, load)
        failed = partial(run.finish, run_id, "failed")
        with failures_written_down(failed, (LakehouseError, JobError, RegistryError, EngineError)):
            evaluation = run.work(requested_by or who_asked(settings, request_id))
        run.finish(run_id, "succeeded")
        return evaluation


@dataclass
class _Run:
    """The working state of one evaluation."""

    settings: Settings
    wanted: str
    asking_seconds: float
    load: Callable[[Settings], ScoringTools]
    asked: list[Asked] = field(default_factory=list)
    questions: int = 0
    stage_seconds: dict[str, float] = field(default_factory=dict)
    stage_name: str = ""
    status_written: float = 0.0

    def work(self, requested_by: str) -> Evaluation:
        settings, started = self.settings, datetime.now(UTC)
        with self.stage("look"):
            version = get(settings, settings.test_model, self.wanted)
            live = find(settings, settings.prod_model, CHAMPION)
            phrases = load_rules(settings).answers.refusal_phrases
            chosen = golden_set(settings, version)
            prompts = prompts_to_replay(settings, live)
        with self.stage("packages"):
            requirements = packages_of(version)
        with self.stage("signature"):
            signature = compared_signatures(version, live)
        with self.stage("load"):
            candidate, loading = self.load_candidate(version)
        if candidate is not None:
            with self.stage("ask"):
                questions = questions_of(chosen, prompts.logged)
                self.asked = ask_all(candidate, questions, self.asking_seconds, self.on_asked)
        del candidate
        found = Found(loading, signature, requirements, chosen, self.asked, no_replay=prompts.not_run)
        found = self.score(found, version, live, phrases)
        evaluation = Evaluation(
            entity_name=version.name,
            entity_version=version.version,
            live_entity_name=live.name if live else None,
            live_entity_version=live.version if live else None,
            started_at=started,
            finished_at=datetime.now(UTC),
            requested_by=requested_by,
            evidence=evidence_of(found, settings.toxicity_threshold, self.stage_seconds),
        )
        record_evaluation(settings, evaluation, answers_of(self.asked))
        return evaluation

    def load_candidate(self, version: ModelVersion) -> tuple[Candidate | None, Loading]:
        """Load the version. What it raises is not our failure but what was found out."""
        started = time.monotonic()
        try:
            candidate = Candidate.load(self.settings, version, input_names(version))
        except Exception as error:  # noqa: BLE001
            reason = (str(error).strip().splitlines() or ["it gave no reason"])[0]
            return None, Loading(problem=f"{type(error).__name__}: {reason}")
        return candidate, Loading(seconds=time.monotonic() - started)

    def score(
        self, found: Found, version: ModelVersion, live: ModelVersion | None, refusal_phrases: Sequence[str]
    ) -> Found:
        """Look at every answer: refused or not, right or not, and its scores beside the live ones'."""
        for one in self.asked:
            one.refused = is_refusal(one.given.text or "", refusal_phrases)
            one.live_refused = one.logged is not None and is_refusal(one.logged.answer, refusal_phrases)
        golden = [(one, one.item) for one in self.asked if one.item is not None]
        if golden and found.chosen is not None:
            with self.stage("golden"):
                answers = [(item, one.given.text or "") for one, item in golden]
                scores, run_id = score_golden(self.settings, version, answers, refusal_phrases, found.chosen.name)
            for (one, _), score in zip(golden, scores, strict=True):
                one.golden = score
            found = replace(found, run_id=run_id)
        if not self.asked:
            return found
        with self.stage("score"):
            try:
                tools = self.load(self.settings)
            except ModelsNotPrepared as error:
                return replace(found, not_scored=str(error))
            pricing = pricing_of(tools, version, live, datetime.now(UTC))
            score_asked(self.asked, tools, pricing)
        return replace(found, price=pricing.words, scorers=tools.scorers)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the seconds of a stage, and tell the page what is being done."""
        self.stage_name = name
        self.write_status("running")
        started = time.monotonic()
        yield
        self.stage_seconds[name] = time.monotonic() - started

    def on_asked(self, done: int, total: int) -> None:
        self.questions = total
        if time.monotonic() - self.status_written >= _STATUS_SECONDS:
            self.write_status("running", done)

    def write_status(self, state: str, done: int | None = None, error: str | None = None) -> None:
        self.status_written = time.monotonic()
        status = {
            "state": state,
            "version": self.wanted,
            "stage": STAGES.get(self.stage_name, ""),
            "questions_done": len(self.asked) if done is None else done,
            "questions": self.questions,
            "error": error,
        }
        write_status(self.settings, "evaluate", status)

    def finish(self, run_id: str, state: str, error: str | None = None) -> None:
        """Write down how the run ended."""
        answered = sum(one.given.text is not None for one in self.asked)
        columns = {
            "rows_read": len(self.asked),
            "rows_scored": answered,
            "rows_unscored": len(self.asked) - answered,
            "stage_seconds": self.stage_seconds,
        }
        finish_run(self.settings, run_id, state, error=error, **columns)
        self.write_status(state, error=error)


def main(arguments: list[str]) -> int:
    """`python -m jobs evaluate VERSION [--seconds N]`. Prints what the gate says. Returns 0 however it judges."""
    parser = ArgumentParser(prog="python -m jobs evaluate", description="Evaluate a version for the promotion gate.")
    parser.add_argument("version", help="number of a version of the test model, or @challenger")
    parser.add_argument("--seconds", type=float, default=None, help="begin no further question after this long")
    parser.add_argument("--trigger", default="command", choices=["command", "request", "demo"], help="why it runs")
    parser.add_argument("--request-id", default="", help="the row of job_requests that it fulfils")
    options = parser.parse_args(arguments)
    settings = get_settings()
    evaluation = evaluate(
        settings,
        options.version,
        trigger=options.trigger,
        request_id=options.request_id,
        asking_seconds=options.seconds,
    )
    found = verdict(settings, evaluation.entity_version)
    for check in found.checks:
        print(f"{MARKS[check.status]}{' (stops)' if check.blocking else ''}  {check.title}: {check.sentence}")
    print(
        f"{found.entity_name} version {found.entity_version} {'passes' if found.passed else 'does not pass'} the gate."
    )
    return 0
