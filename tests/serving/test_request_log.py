"""Deliveries go on, whatever one of them meets."""

import asyncio

from lakehouse.status import read_status
from serving import request_log
from serving.endpoint_config import EndpointStore
from serving.request_log import RequestLog
from settings import Settings
from tests.serving.test_delivery import _record, _rows


def test_an_error_that_nobody_expected_delays_the_rows_and_quotes_none_of_them(tmp_path, monkeypatch, caplog):
    settings = Settings(home=tmp_path, gateway_flush_seconds=0.05)
    deliver, tries, quoted = request_log.deliver_segments, [], "some words of a row"

    def fails_once(*arguments) -> int:
        tries.append(arguments)
        if len(tries) == 1:
            raise KeyError(quoted)
        return deliver(*arguments)

    monkeypatch.setattr(request_log, "deliver_segments", fails_once)

    async def log_one_request() -> None:
        log = RequestLog(settings, EndpointStore(tmp_path / "endpoints.json"))
        log.start()
        await log.append(_record("a"))
        async with asyncio.timeout(20):
            while len(tries) < 2:
                await asyncio.sleep(0.02)
        await log.stop()

    asyncio.run(log_one_request())
    assert [row["databricks_request_id"] for row in _rows(settings)] == ["a"]
    assert "Requests wait in the spool: KeyError" in caplog.text
    assert quoted not in caplog.text
    assert read_status(settings, "gateway")["problem"] == ""


def test_a_lake_that_cannot_be_written_is_said_in_the_status_and_the_rows_wait(tmp_path):
    (tmp_path / "file").write_text("in the way")
    settings = Settings(home=tmp_path, lake_uri=str(tmp_path / "file" / "lake"))

    async def log_one_request() -> None:
        log = RequestLog(settings, EndpointStore(tmp_path / "endpoints.json"))
        await log.append(_record("a"))
        assert not await log.flush()
        await log.stop()

    asyncio.run(log_one_request())
    status = read_status(settings, "gateway")
    assert status["problem"]
    assert status["waiting_segments"] == 1
