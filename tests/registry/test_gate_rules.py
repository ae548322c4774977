"""The rules file: everything stands in it, and what is wrong in one's own is named."""

import tomllib
from pathlib import Path

import pytest

from registry.errors import RegistryError
from registry.gate_rules import OWN_FILE, load_rules
from settings import Settings


def own_rules(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return Settings(home=tmp_path, gate_rules_file=str(file))


def test_what_holds_is_what_stands_in_the_file(tmp_path: Path) -> None:
    written = tomllib.loads(OWN_FILE.read_text(encoding="utf-8"))
    read = load_rules(Settings(home=tmp_path)).model_dump(mode="json")
    assert read == written


def test_ones_own_file_changes_only_what_it_names(tmp_path: Path) -> None:
    before = load_rules(Settings(home=tmp_path))
    after = load_rules(own_rules(tmp_path, "[gate.cost]\nmost_times_the_live = 4.0\n[guard]\nwatch_minutes = 5.0\n"))
    assert after.gate.cost.most_times_the_live == 4.0
    assert after.guard.watch_minutes == 5.0
    assert after.gate.cost.most_usd_per_answer == before.gate.cost.most_usd_per_answer
    assert after.guard.errors == before.guard.errors
    assert after.gate.model_copy(update={"cost": before.gate.cost}) == before.gate


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[gate.cost]\nmost_times_the_live = -1.0\n", ["gate.cost.most_times_the_live", "-1.0"]),
        ("[gate.golden_answers]\nleast_share = 80\n", ["gate.golden_answers.least_share", "80"]),
        ('[gate.toxicity]\nif_failed = "shout"\n', ["gate.toxicity.if_failed", "shout"]),
        ("[gate.humour]\nleast = 1\n", ["gate.humour"]),
        ("[gate.cost]\nmost_times_the_life = 2.0\n", ["gate.cost.most_times_the_life"]),
        ("gate = 3\n", ["gate"]),
        ("[gate.cost\n", ["cannot be read"]),
        ("[gate.latency]\nmost_seconds = nan\n", ["gate.latency.most_seconds"]),
    ],
)
def test_what_is_no_rule_is_named_with_its_file(tmp_path: Path, text: str, named: list[str]) -> None:
    with pytest.raises(RegistryError) as raised:
        load_rules(own_rules(tmp_path, text))
    for part in [*named, "mine.toml"]:
        assert part in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="LAKEHELM_GATE_RULES_FILE"):
        load_rules(Settings(home=tmp_path, gate_rules_file=str(tmp_path / "none.toml")))
