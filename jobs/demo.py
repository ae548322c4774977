"""`python -m jobs demo [--small]`: a workspace in which a real chatbot has really answered.

Documents → feature table → trained versions → registry → endpoint → real answers → a month of traffic → scored.
Every step can be done again after a stop: what is there already is kept.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pyarrow.dataset as ds

from jobs.demo_history import GivenAnswer, history, promotion_time
from jobs.demo_workspace import DemoPlan, DemoSteps, is_demo, read_plan, refuse_where_others_work, write_plan
from jobs.errors import JobError
from jobs.processes import end_child, last_line, start_child
from jobs.questions import QUESTIONS, Question
from lakehouse.appends import append, append_once, position
from lakehouse.ledger import recorded
from lakehouse.store import open_table, read_rows
from serving.client import EndpointClient, Served
from serving.errors import GatewayDown, RequestRejected
from settings import Settings, get_settings

if TYPE_CHECKING:
    from jobs.train import Kind
    from registry.versions import ModelVersion

FULL_REQUESTS = 24_000
SMALL_REQUESTS = 900
SMALL_QUESTIONS = 48
LIVE_QUESTIONS = 30
GATEWAY_START_SECONDS = 60.0
DELIVERY_SECONDS = 60.0
ACTOR = "demo"
_KINDS: "tuple[Kind, ...]" = ("retrieval", "retrieval-threshold")
_EXPERIMENTS: "tuple[Kind, ...]" = ("generative", "generative-retrieval")

PREPARE, FEATURES, TRAIN, SERVE, ASK, HISTORY, LIVE, SCORE = STEPS = (
    "Prepare the scoring models",
    "Load the handbook into the data and feature tables",
    "Train and register the chatbot's versions",
    "Start the endpoint",
    "Ask both production versions every question",
    "Write a month of traffic",
    "Switch to version 2 and ask it live",
    "Score every request",
)


def build(settings: Settings, small: bool) -> None:
    """Build the demo workspace, or go on with one that was stopped.

    Raises: JobError, LakehouseError or ServingError with one sentence if a step cannot be done.
    """
    refuse_where_others_work(settings)
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    plan = read_plan(settings) or DemoPlan(small=small, end_of_history=now.isoformat())
    write_plan(settings, plan)
    steps = DemoSteps(settings, list(STEPS))
    preparation = start_child(["jobs", "prepare"], log=settings.home / "logs" / "prepare.log")
    try:
        start = plan.end - timedelta(days=settings.demo_days)
        _train(settings, steps, plan, start)
        with _gateway(settings, steps) as client:
            answers = _ask(settings, client, steps, plan)
            _write_history(settings, steps, plan, start, answers)
            _go_live(settings, client, steps, plan)
        _finish_preparation(settings, steps, preparation)
        _score(settings, steps)
    finally:
        end_child(preparation, 5)
    write_plan(settings, DemoPlan(plan.small, plan.end_of_history, datetime.now(UTC).isoformat()))
    steps.ready()


def _train(settings: Settings, steps: DemoSteps, plan: DemoPlan, start: datetime) -> None:
    """Register the versions and promote the two for production, at their places in the simulated month."""
    from jobs.features import refresh_handbook
    from jobs.train import train
    from registry.promotion import promote_in_the_past
    from registry.versions import versions

    with steps.running(FEATURES):
        refreshed = refresh_handbook(settings)
        steps.detail(FEATURES, f"{refreshed.chunks} passages")
    with steps.running(TRAIN):
        known = {version.tags.get("kind"): version for version in versions(settings, settings.test_model)}
        times = (start, promotion_time(start, plan.end))
        reasons = ("First version for production.", "Says that it does not know instead of guessing.")
        for number, kind in enumerate((*_KINDS, *_EXPERIMENTS)):
            steps.detail(TRAIN, f"{kind} ({number + 1} of {len(_KINDS) + len(_EXPERIMENTS)})")
            version: ModelVersion = known.get(kind) or train(settings, kind)
            if number < len(_KINDS):
                promote_in_the_past(settings, version, actor=ACTOR, reason=reasons[number], time=times[number])


@contextmanager
def _gateway(settings: Settings, steps: DemoSteps) -> Iterator[EndpointClient]:
    """The gateway that serves this workspace already, or one that is started for the time of the building."""
    client = EndpointClient(settings)
    own: subprocess.Popen[bytes] | None = None
    log = settings.home / "logs" / "gateway.log"
    try:
        with steps.running(SERVE):
            if not _answers(client):
                own = start_child(["serving"], log=log)
                _wait_for_gateway(client, own, log)
            _ready_endpoint(settings, client)
        yield client
    finally:
        if own is not None:
            end_child(own, settings.gateway_drain_seconds + 10)


def _answers(client: EndpointClient) -> bool:
    try:
        client.list()
    except GatewayDown:
        return False
    return True


def _wait_for_gateway(client: EndpointClient, own: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + GATEWAY_START_SECONDS
    while time.monotonic() < deadline and own.poll() is None:
        if _answers(client):
            return
        time.sleep(0.2)
    raise JobError(f"The gateway did not start: {last_line(log) or 'its log is empty'}")


def _served(settings: Settings) -> list[Served]:
    return [Served(f"{settings.endpoint}-{version}", settings.prod_model, version) for version in ("1", "2")]


def _ready_endpoint(settings: Settings, client: EndpointClient) -> None:
    """Both versions warm, version 1 live. Nothing is logged yet: the demo's own asking is not traffic."""
    served = _served(settings)
    if client.get(settings.endpoint) is None:
        with _deployed(settings, client, served[0].entity_version) as traffic:
            client.create(settings.endpoint, served, traffic, inference_table=False)
    else:
        client.set_inference_table(settings.endpoint, False)
    # A gateway that has just been started knows the endpoint before its workers answer.
    deadline = time.monotonic() + settings.worker_start_seconds
    while time.monotonic() < deadline:
        endpoint = client.get(settings.endpoint)
        if endpoint is not None and all(served.ready for served in endpoint.served):
            return
        time.sleep(0.3)
    raise JobError(f"The endpoint {settings.endpoint} did not become ready; logs/gateway.log says why.")


@contextmanager
def _deployed(settings: Settings, client: EndpointClient, version: str) -> Iterator[dict[str, int]]:
    """Record that the endpoint gives all its traffic to `version`. Yields the traffic by served entity."""
    from registry.plans import ServedShare
    from registry.production import as_evidence, in_words, production_state

    served = _served(settings)
    traffic = {one.name: 100 * (one.entity_version == version) for one in served}
    before = production_state(settings, client)
    shares = tuple(ServedShare(one.name, one.entity_name, one.entity_version, traffic[one.name]) for one in served)
    after = replace(before, served=shares)
    with recorded(
        settings,
        action="deploy",
        target=settings.endpoint,
        actor=ACTOR,
        before=in_words(before),
        after=in_words(after),
        reason="A step of the demo's building.",
        evidence={"state_before": as_evidence(before), "state_after": as_evidence(after)},
    ):
        yield traffic


def _ask(settings: Settings, client: EndpointClient, steps: DemoSteps, plan: DemoPlan) -> list[list[GivenAnswer]]:
    """Every distinct question, asked once of each version. Returns the answers by version, then by question."""
    questions = _chosen_questions(plan.small)
    with steps.running(ASK), ThreadPoolExecutor(2) as asking:
        entity_ids = _served_entity_ids(settings)
        answers = []
        for served in _served(settings):
            steps.detail(ASK, f"{len(questions)} questions to {served.name}")
            entity = entity_ids[served.name]
            ask = partial(_ask_one, settings, client, served, entity)
            answers.append(list(asking.map(ask, questions)))
    return answers


def _chosen_questions(small: bool) -> list[Question]:
    """All questions of the bank, or a small share with every category in it, and one malformed request."""
    malformed = Question("", "malformed")
    if not small:
        return [*QUESTIONS, malformed]
    chosen = list(QUESTIONS[:: max(1, len(QUESTIONS) // SMALL_QUESTIONS)])
    for question in QUESTIONS:
        if question.category not in {one.category for one in chosen}:
            chosen.append(question)
    return [*chosen, malformed]


def _ask_one(
    settings: Settings, client: EndpointClient, served: Served, entity_id: str, question: Question
) -> GivenAnswer:
    body: dict[str, Any] = {"input": [{"role": "user", "content": question.text}]}
    if question.category == "malformed":
        body = {"question": "this body has no input, which the endpoint refuses"}
    started = time.monotonic()
    try:
        answer = client.invoke(settings.endpoint, body, served_entity=served.name)
        status, response = answer.status_code, answer.body
    except RequestRejected as error:
        status, response = error.status_code, {"error_code": error.error_code, "message": str(error)}
    milliseconds = max(1, round((time.monotonic() - started) * 1000))
    texts = (json.dumps(body, ensure_ascii=False), json.dumps(response, ensure_ascii=False))
    if status != 200 and question.category != "malformed":
        raise JobError(f"{served.name} did not answer a question of the demo: {response.get('message')}")
    return GivenAnswer(question.category, entity_id, *texts, status, milliseconds)


def _served_entity_ids(settings: Settings) -> dict[str, str]:
    """The ids of the endpoint's served entities by name, once the gateway has written them into their table."""
    names = {served.name for served in _served(settings)}
    deadline = time.monotonic() + DELIVERY_SECONDS
    while time.monotonic() < deadline:
        rows = read_rows(open_table(settings, "served_entities")).sort_by("change_time").to_pylist()
        mine = [row for row in rows if row["endpoint_name"] == settings.endpoint]
        ids = {row["served_entity_name"]: row["served_entity_id"] for row in mine}
        if names <= set(ids):
            return ids
        time.sleep(0.3)
    raise JobError(f"The gateway did not write down its served entities within {DELIVERY_SECONDS:.0f} seconds.")


def _write_history(
    settings: Settings, steps: DemoSteps, plan: DemoPlan, start: datetime, answers: list[list[GivenAnswer]]
) -> None:
    """The simulated month: a commit a day, each exactly once, so that a stopped building goes on where it was."""
    count = SMALL_REQUESTS if plan.small else FULL_REQUESTS
    with steps.running(HISTORY):
        steps.detail(HISTORY, f"{count:,} requests in {settings.demo_days} days")
        _write_past_changes(settings, start, promotion_time(start, plan.end))
        rows = history(answers, start, plan.end, count)
        table = open_table(settings, "inference_table")
        dates = rows.column("request_date")
        for day, date in enumerate(sorted(set(dates.to_pylist()))):
            last = position(table, "demo-history")
            if last is None or last[0] < day:
                append_once(table, rows.filter(pc.equal(dates, date)), app_id="demo-history", source_version=day)


def _write_past_changes(settings: Settings, start: datetime, promoted: datetime) -> None:
    """What the gateway would have recorded, had the month been real, and what its answers cost."""
    source = "sample price of the demo"
    if source in read_rows(open_table(settings, "prices"), ["source"])["source"].to_pylist():
        return
    served = _served(settings)
    entity_ids = _served_entity_ids(settings)
    moments = (start, promoted)
    # What does no harm twice comes first; the prices say that all of this is done.
    entities = [
        {
            "served_entity_id": entity_ids[one.name],
            "endpoint_name": settings.endpoint,
            "served_entity_name": one.name,
            "entity_name": one.entity_name,
            "entity_version": one.entity_version,
            "endpoint_config_version": number,
            "change_time": moment,
        }
        for number, (one, moment) in enumerate(zip(served, moments, strict=True))
    ]
    append(settings, "served_entities", entities)
    price = {"input_usd_per_million": 0.15, "output_usd_per_million": 0.6, "effective_from": start}
    labels = {"entity_name": settings.prod_model, "source": source}
    append(settings, "prices", [{**price, **labels, "entity_version": one.entity_version} for one in served])


def _go_live(settings: Settings, client: EndpointClient, steps: DemoSteps, plan: DemoPlan) -> None:
    """Version 2 takes all traffic, logging begins, and some questions are asked as any caller asks."""
    first, second = _served(settings)
    with steps.running(LIVE):
        client.set_inference_table(settings.endpoint, True)
        with _deployed(settings, client, second.entity_version) as traffic:
            client.update(settings.endpoint, [first, second], traffic)
        questions = _chosen_questions(plan.small)[:LIVE_QUESTIONS]
        for number, question in enumerate(questions):
            client.ask(settings.endpoint, question.text, client_request_id=f"live-{number}", requester="docs-site")
        _wait_until_delivered(settings, f"live-{len(questions) - 1}")


def _wait_until_delivered(settings: Settings, client_request_id: str) -> None:
    """Wait until the gateway has moved its spool, up to the request of this id, into the inference table."""
    deadline = time.monotonic() + DELIVERY_SECONDS
    while time.monotonic() < deadline:
        table = open_table(settings, "inference_table")
        if read_rows(table, ["client_request_id"], ds.field("client_request_id") == client_request_id).num_rows:
            return
        time.sleep(0.5)
    raise JobError(f"The gateway did not deliver its requests within {DELIVERY_SECONDS:.0f} seconds; its log says why.")


def _finish_preparation(settings: Settings, steps: DemoSteps, preparation: "subprocess.Popen[bytes]") -> None:
    with steps.running(PREPARE):
        log = settings.home / "logs" / "prepare.log"
        if preparation.wait():
            raise JobError(f"The scoring models could not be prepared: {last_line(log)}")
        steps.detail(PREPARE, last_line(log))


def _score(settings: Settings, steps: DemoSteps) -> None:
    from jobs.score import run_score

    with steps.running(SCORE):
        run_score(settings, once=True, trigger="demo")


def main(arguments: list[str]) -> int:
    """Build the workspace. `--small`: 900 requests instead of a full month of 24,000."""
    parser = argparse.ArgumentParser(prog="python -m jobs demo", description=__doc__)
    parser.add_argument("--small", action="store_true", help=f"{SMALL_REQUESTS} requests, fewer distinct questions")
    small = parser.parse_args(arguments).small
    settings = get_settings()
    plan = read_plan(settings)
    if is_demo(settings) and plan is not None and plan.finished_at:
        print(f"{settings.home} is a demo workspace already.")
        return 0
    build(settings, small)
    print(f"The demo workspace {settings.home} is ready.", flush=True)
    if not (plan.small if plan else small):
        from jobs.demo_evaluations import evaluate_demo

        # The first screen shows the workspace already; the evidence for the promotion gate follows.
        evaluate_demo(settings)
    return 0
