"""Retraining on Databricks: the configured job is started once, looked at until it ends, and its version judged."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from jobs.errors import JobError
from jobs.retrain import begin, run_retrain
from jobs.retraining_steps import STEPS
from jobs.retraining_triggers import due
from jobs.retraining_work import PIPELINE_TAG, Work
from lakehouse.pipelines import find_pipeline, pipelines
from lakehouse.runs import request_run
from registry.alerts import open_alert
from registry.retraining_rules import Start, load_retraining_rules
from registry.versions import CHALLENGER, client, get
from settings import Settings
from tests.jobs.databricks_jobs import DatabricksJobs, databricks_jobs
from tests.jobs.quick_retraining import let_the_scheduler_go_on, quick_parts
from tests.serving.gateway_process import GatewayProcess


@pytest.fixture
def workspace() -> Iterator[DatabricksJobs]:
    with databricks_jobs() as found:
        yield found


@pytest.fixture
def settings(tmp_path: Path, workspace: DatabricksJobs, echo_gateway: GatewayProcess) -> Settings:
    """Databricks for jobs and endpoints; the registry is the database that other tests have, too."""
    registry = echo_gateway.settings.tracking_uri
    rules = tmp_path / "rules.toml"
    rules.write_text(f"[databricks]\njob_id = {workspace.job_id}\n")
    return Settings(
        home=tmp_path / "home",
        test_model=f"test.{tmp_path.name}",
        host=workspace.host,
        token=workspace.token,
        mlflow_tracking_uri=registry,
        mlflow_registry_uri=registry,
        retraining_rules_file=str(rules),
    )


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # `registry.versions.client` sets these for MLflow's own address of Databricks.
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN"):
        monkeypatch.setenv(name, "")


def register(settings: Settings, of: str = "") -> str:
    registry = client(settings)
    if not registry.search_registered_models(f"name='{settings.test_model}'"):
        registry.create_registered_model(settings.test_model)
    tags = {PIPELINE_TAG: of} if of else None
    return str(registry.create_model_version(settings.test_model, "s3://nowhere/echo", tags=tags).version)


def test_the_job_is_started_once_waited_for_and_its_version_goes_through_the_gate(
    settings: Settings, workspace: DatabricksJobs, tmp_path: Path
) -> None:
    register(settings)
    parts = quick_parts(tmp_path)
    request = request_run(settings, "retrain", {}, "ann")
    waiting = run_retrain(settings, trigger="request", request_id=request, parts=parts)
    assert waiting is not None
    assert (waiting.plan, waiting.state) == (("job", "evaluate", "challenger"), "waiting")
    assert list(workspace.started) == [waiting.pipeline_id]
    now = datetime.now(UTC)
    assert due(settings, now) is None
    assert due(settings, now + timedelta(minutes=2)) is not None, "it is looked at every two minutes"
    looked = run_retrain(settings, trigger="schedule", next_only=True, parts=parts)
    assert looked is not None
    assert (looked.state, looked.steps[0].sentence) == ("waiting", "Run 700 on Databricks is running.")
    assert looked.found("databricks_run_page").endswith("/run/700")
    version = register(settings)
    workspace.end("SUCCESS")
    run_retrain(settings, trigger="schedule", next_only=True, parts=parts)
    done = let_the_scheduler_go_on(settings, parts)
    assert [step.state for step in done.steps] == ["succeeded"] * 3
    assert done.found("version") == version
    assert CHALLENGER in get(settings, settings.test_model, version).aliases
    assert workspace.calls == ["run-now", "runs/get", "runs/get"]


def test_a_run_whose_start_was_not_written_down_is_found_again(settings: Settings, workspace: DatabricksJobs) -> None:
    pipeline = begin(settings, Start("command", "a test"), requested_by="ann")
    rules = load_retraining_rules(settings)
    first = STEPS["job"](Work(settings, pipeline, rules))
    again = STEPS["job"](Work(settings, pipeline, rules))
    assert first.details["databricks_run_id"] == again.details["databricks_run_id"] == "700"
    assert len(workspace.started) == 1


def test_while_databricks_is_out_of_order_the_retraining_waits_and_starts_no_second_run(
    settings: Settings, workspace: DatabricksJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(settings)
    parts = quick_parts(tmp_path)
    workspace.out_of_order = 502  # The run is started; the answer is lost.
    run_retrain(settings, reason="by hand", parts=parts)
    workspace.out_of_order = 0
    run_retrain(settings, next_only=True, parts=parts)
    (found,) = pipelines(settings)
    assert (found.state, found.found("databricks_run_id"), len(workspace.started)) == ("waiting", "700", 1)
    workspace.out_of_order = 500
    run_retrain(settings, next_only=True, parts=parts)
    (found,) = pipelines(settings)
    assert found.state == "waiting"
    assert found.steps[0].sentence.startswith("Not yet: Databricks did not tell how run 700 is doing")
    assert due(settings, datetime.now(UTC) + timedelta(minutes=2)) is not None
    monkeypatch.setattr("jobs.retraining_steps.PATIENCE", timedelta())
    with pytest.raises(JobError, match="did not tell how run 700"):
        run_retrain(settings, next_only=True, parts=parts)
    assert pipelines(settings)[0].state == "failed"


def test_the_time_that_databricks_is_out_of_order_is_counted_anew_each_time(
    settings: Settings, workspace: DatabricksJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.retraining_steps.PATIENCE", timedelta())
    register(settings)
    run_retrain(settings, reason="by hand", parts=quick_parts(tmp_path))
    for status in (500, 0, 500):
        workspace.out_of_order = status
        found = run_retrain(settings, next_only=True, parts=quick_parts(tmp_path))
        assert found is not None
        assert found.state == "waiting"


def test_a_job_that_fails_ends_the_retraining_with_what_databricks_says(
    settings: Settings, workspace: DatabricksJobs, tmp_path: Path
) -> None:
    register(settings)
    run_retrain(settings, reason="by hand", parts=quick_parts(tmp_path))
    workspace.end("FAILED", "Task train failed with an out-of-memory error.")
    with pytest.raises(JobError, match="ended as FAILED: Task train failed"):
        run_retrain(settings, next_only=True, parts=quick_parts(tmp_path))
    (failed,) = pipelines(settings)
    assert failed.state == "failed"
    assert "/run/700" in failed.steps[0].error


@pytest.mark.parametrize(
    ("parameter", "tagged", "state", "said"),
    [
        (False, False, "stopped", "the versions 3, 2 of test."),
        (False, True, "succeeded", "registered test."),
        (True, True, "succeeded", "registered test."),
        (True, False, "stopped", "with the tag lakehelm.pipeline_id ="),
    ],
)
def test_a_version_that_somebody_else_registers_meanwhile_is_not_taken_for_the_jobs(
    settings: Settings, workspace: DatabricksJobs, tmp_path: Path, parameter: bool, tagged: bool, state: str, said: str
) -> None:
    register(settings)
    with Path(settings.retraining_rules_file).open("a") as rules:
        rules.write('pipeline_parameter = "retraining"\n' if parameter else "")
    parts = quick_parts(tmp_path)
    request = request_run(settings, "retrain", {}, "ann")
    begun = run_retrain(settings, trigger="request", request_id=request, parts=parts)
    assert begun is not None
    assert workspace.parameters == [{"retraining": begun.pipeline_id} if parameter else None]
    own = register(settings, of=begun.pipeline_id if tagged else "")
    register(settings)
    workspace.end("SUCCESS")
    done = run_retrain(settings, trigger="schedule", next_only=True, parts=parts)
    assert done is not None
    assert done.steps[0].state == state
    assert said in done.steps[0].sentence
    assert done.found("version") == (own if tagged else "")


def test_a_job_that_registers_nothing_is_told_and_so_is_a_job_that_does_not_exist(
    settings: Settings, workspace: DatabricksJobs, tmp_path: Path
) -> None:
    register(settings)
    waiting = run_retrain(settings, reason="by hand", parts=quick_parts(tmp_path))
    workspace.end("SUCCESS")
    stopped = run_retrain(settings, next_only=True, parts=quick_parts(tmp_path))
    assert waiting is not None
    assert stopped is not None
    assert stopped.state == "stopped"
    assert "registered no version of" in stopped.steps[0].sentence
    workspace.job_id = 43
    with pytest.raises(JobError, match=r"did not start job 42 .*Job 42 does not exist"):
        run_retrain(settings, reason="by hand", parts=quick_parts(tmp_path))
    assert settings.token.get_secret_value() not in str(pipelines(settings))


def test_without_a_job_nothing_is_begun(settings: Settings, workspace: DatabricksJobs, tmp_path: Path) -> None:
    without = settings.model_copy(update={"retraining_rules_file": ""})
    with pytest.raises(JobError, match="set job_id in the rules of retraining"):
        run_retrain(without, reason="by hand", parts=quick_parts(tmp_path))
    about = {"endpoint_name": settings.endpoint, "entity_name": settings.prod_model, "entity_version": "1"}
    open_alert(settings, rule="drift_flags", sentence="More answers are flagged.", **about)
    assert due(settings, datetime.now(UTC)) is not None
    assert due(without, datetime.now(UTC)) is None, "no process that could only fail is started each minute"
    assert pipelines(settings) == []
    assert find_pipeline(settings, "none") is None
    assert workspace.calls == []
