import re
import tomllib
from pathlib import Path

import pytest

from registry.alert_rules import OWN_FILE, BurnRateRule, ThresholdRule, load_alert_rules
from registry.errors import RegistryError
from settings import Settings

ROOT = Path(__file__).resolve().parent.parent.parent


def _with(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "own.toml"
    file.write_text(text, encoding="utf-8")
    return Settings(home=tmp_path, alert_rules_file=str(file))


def test_the_rules_that_come_with_it_are_of_every_kind_and_each_needs_a_count(tmp_path: Path) -> None:
    rules = load_alert_rules(Settings(home=tmp_path)).rules
    kinds = {rule.kind for rule in rules.values()}
    assert kinds == {"threshold", "drift", "burn_rate", "no_data", "job_late", "endpoint_down", "budget"}
    assert all(rule.least_count >= 1 for rule in rules.values())


def test_error_budgets_are_watched_by_the_workbooks_windows(tmp_path: Path) -> None:
    rule = load_alert_rules(Settings(home=tmp_path)).rules["availability"]
    assert isinstance(rule, BurnRateRule)
    windows = [(one.long_minutes, one.short_minutes, one.factor, one.severity) for one in rule.windows]
    assert windows == [(60, 5, 14.4, "page"), (360, 30, 6, "page"), (4320, 360, 1, "ticket")]


def test_every_rule_has_its_section_in_the_runbook(tmp_path: Path) -> None:
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    wanted = {rule.runbook for rule in load_alert_rules(Settings(home=tmp_path)).rules.values()}
    assert wanted <= anchors


def test_an_own_file_needs_only_what_it_changes_and_may_have_further_rules(tmp_path: Path) -> None:
    settings = _with(
        tmp_path,
        """
        [rules.errors]
        above = 0.1
        [rules.latency]
        on = false
        [rules.long_answers]
        kind = "threshold"
        title = "Long answers"
        figure = "answer_tokens"
        above = 900.0
        clears_at = 800.0
        over_minutes = 30.0
        least_count = 40
        by_version = true
        certain = true
        runbook = "alert-drift"
        [delivery.webhook]
        shape = "json"
        """,
    )
    rules = load_alert_rules(settings)
    ours = load_alert_rules(Settings(home=tmp_path))
    changed, before = rules.rules["errors"], ours.rules["errors"]
    assert isinstance(changed, ThresholdRule)
    assert changed.limit == 0.1
    assert changed.model_copy(update={"above": 0.05}) == before
    assert "latency" in rules.rules
    assert "latency" not in rules.switched_on()
    assert rules.rules["long_answers"].for_minutes == 5.0, "what it does not say stands in [defaults]"
    assert (rules.delivery.webhook.shape, rules.delivery.mail) == ("json", ours.delivery.mail)
    with pytest.raises(RegistryError, match="no rule called 'nothing'; the rules are errors, latency"):
        rules.rule("nothing")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[rules.errors]\nabove = "many"', r"wrong at rules\.errors\.above: it is 'many'"),
        ('[rules.mine]\nkind = "threshold"', r"wrong at rules\.mine\.title: it is missing"),
        ('[rules.mine]\nkind = "weather"', r"wrong at rules\.mine: .*'weather'"),
        ("[rules.errors]\nclears_at = 0.5", r"rules\.errors: `clears_at` cannot be over the limit"),
        ("[rules.errors]\nbelow = 0.5", r"rules\.errors: a threshold is `above` or `below`"),
        (
            '[rules.mine]\nkind = "threshold"\ntitle = "Few"\nfigure = "requests"\nbelow = 1.0\nclears_at = 2.0\n'
            'over_minutes = 15.0\nleast_count = 1\nby_version = true\ncertain = false\nrunbook = "alert-drift"',
            r"rules\.mine: requests `below` a limit are those of all versions",
        ),
        ("[rules.speed]\nobjective = 1.0", r"rules\.speed\.objective: it is 1\.0"),
        ('[rules.speed]\nof = "errors"', r"rules\.speed: `slower_than_ms` goes with"),
        (
            "[rules.speed]\nwindows = [{long_minutes = 5.0, short_minutes = 60.0, factor = 1.0, severity = 'page'}]",
            r"rules\.speed\.windows\.0: the short window is shorter",
        ),
        ("[rules.errors]\nleast_count = 0", r"rules\.errors\.least_count: it is 0"),
        ("[rules.errors]\nword = 1", r"rules\.errors\.word: it is 1 \(Extra inputs"),
        ('[rules.Errors]\nkind = "drift"', r"rules\.Errors: it is 'Errors'"),
        ("rules = 3", r"\[defaults\] and \[rules\.NAME\] are sections"),
        ("[general]\nlook_seconds = -1", r"general\.look_seconds: it is -1"),
        ('[delivery.mail]\nhost = "mx"', r"delivery\.mail: with a host, mail needs a sender and somebody"),
        ('[delivery.mail]\nsender = "a@b\\nBcc: c@d"', r"delivery\.mail: each address has one @"),
        ('[delivery.mail]\nuser = "u"\nsecurity = "none"', r"delivery\.mail: a password is not sent in the clear"),
        ('[delivery]\ndashboard_url = "javascript:alert(1)"', r"delivery\.dashboard_url"),
        ("[rules.errors", "cannot be read"),
    ],
)
def test_what_is_no_rule_is_refused_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(RegistryError, match=sentence) as refused:
        load_alert_rules(_with(tmp_path, text))
    assert "\n" not in str(refused.value)
    assert "own.toml" in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, alert_rules_file=str(tmp_path / "none.toml"))
    with pytest.raises(RegistryError, match=r"none\.toml \(LAKEHELM_ALERT_RULES_FILE\) cannot be read"):
        load_alert_rules(settings)


def test_nothing_in_the_file_is_a_default_in_code() -> None:
    written = tomllib.loads(OWN_FILE.read_text(encoding="utf-8"))
    assert set(written) == {"general", "delivery", "defaults", "rules"}
