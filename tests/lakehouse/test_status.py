from datetime import datetime

from lakehouse.status import read_status, write_status
from settings import Settings


def test_a_status_is_read_as_it_was_written_last(settings: Settings) -> None:
    assert read_status(settings, "demo") is None
    write_status(settings, "demo", {"state": "building"})
    write_status(settings, "demo", {"state": "ready", "steps": [{"name": "a"}]})
    status = read_status(settings, "demo")
    assert status is not None
    assert (status["state"], status["steps"]) == ("ready", [{"name": "a"}])
    assert datetime.fromisoformat(status["updated_at"]).tzinfo is not None
    assert [path.name for path in (settings.home / "status").iterdir()] == ["demo.json"]


def test_a_broken_status_is_none(settings: Settings) -> None:
    write_status(settings, "demo", {})
    for text in ("{", "[]", ""):
        (settings.home / "status" / "demo.json").write_text(text)
        assert read_status(settings, "demo") is None
