"""`python -m jobs alerts`: looks at the rules of the alerts every 30 seconds, and tells people.

Looking and telling are apart: each channel delivers in a thread of its own, so that a receiver that hangs delays
nothing. With `--once` it looks once, tells what is due, and ends; with `--dry-run` it only says what rules would have
done in the past month.
"""

import logging
import os
import signal
import sys
import time
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import UTC, datetime
from types import FrameType

from jobs.alert_delivery import DeliveryThreads, deliver_once
from jobs.alert_dry_run import DAYS, dry_run
from jobs.alert_look import AlertLook, AlertLooker
from jobs.errors import StillAtWork
from jobs.one_at_a_time import one_at_a_time
from lakehouse.errors import LakehouseError
from lakehouse.status import write_status
from registry.alert_rules import load_alert_rules
from registry.errors import RegistryError
from serving.client import EndpointClient
from settings import Settings, get_settings

PROBE_SECONDS = 5.0
"""How long an endpoint may take to tell its state: a look must not wait for one that hangs."""

_AFTER_ERROR_SECONDS = 30.0
_LAST_WORDS_SECONDS = 3.0
_LOCK_SECONDS = 1.0
_STEP_SECONDS = 0.2
_EXPECTED = (LakehouseError, RegistryError, OSError)
"""What a look survives: it is told, and the next look tries again."""

log = logging.getLogger(__name__)


class Alerts:
    """The loop: look, tell what was found, let the channels deliver."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stopping = False
        self._looker = AlertLooker(settings, EndpointClient(settings, timeout_seconds=PROBE_SECONDS))
        self._delivery = DeliveryThreads(settings)

    def run_until_stopped(self) -> None:
        """Look again and again until `stopping` is set."""
        while not self.stopping:
            started = time.monotonic()
            pause = self._turn()
            while not self.stopping and time.monotonic() < started + pause:
                time.sleep(_STEP_SECONDS)
        self._delivery.stop(_LAST_WORDS_SECONDS)
        write_status(self.settings, "alerts", {"state": "stopped", "process_id": os.getpid()})

    def _turn(self) -> float:
        """One look. Returns the seconds until the next one."""
        found, error, pause = AlertLook(), "", _AFTER_ERROR_SECONDS
        try:
            rules = load_alert_rules(self.settings)
            pause = rules.general.look_seconds
            # First, so that a channel that is new has begun before there is anything to tell.
            self._delivery.keep(rules.delivery)
            with one_at_a_time(self.settings, "alerts-look", _LOCK_SECONDS):
                found = self._looker.look(datetime.now(UTC))
        except StillAtWork:
            return pause  # Somebody's `alerts --once`.
        except _EXPECTED as failure:
            error = str(failure)
            log.warning("%s", error)
        for line in found.written:
            log.warning("%s", line)
        if found.written:
            self._delivery.wake()
        status = {"process_id": os.getpid(), "every_seconds": pause, **asdict(found), "error": error}
        write_status(self.settings, "alerts", {"state": "looking", **status, "delivery": self._delivery.report()})
        return pause


def once(settings: Settings) -> AlertLook:
    """Look once, and tell what is due. Raises: RegistryError, LakehouseError; StillAtWork, if somebody looks now."""
    told_by = deliver_once(settings)  # A channel that is new begins here.
    with one_at_a_time(settings, "alerts-look", _AFTER_ERROR_SECONDS):
        found = AlertLooker(settings, EndpointClient(settings, timeout_seconds=PROBE_SECONDS)).look(datetime.now(UTC))
    if found.written and told_by:
        time.sleep(load_alert_rules(settings).delivery.group_seconds)
    for name, told in deliver_once(settings).items():
        print(f"{name}: {told.delivered} told, {told.waiting} waiting. {told.error}".strip(), flush=True)
    return found


def main(arguments: list[str]) -> int:
    """`python -m jobs alerts [--once | --dry-run [RULE …] [--days N]]`. Without a switch it runs until SIGTERM."""
    parser = ArgumentParser(prog="python -m jobs alerts", description=__doc__)
    doing = parser.add_mutually_exclusive_group()
    doing.add_argument("--once", action="store_true", help="look once, tell what is due, and end")
    doing.add_argument("--dry-run", nargs="*", metavar="RULE", help="say what these rules would have done (none: all)")
    parser.add_argument("--days", type=float, default=DAYS, help="how far back a dry run goes")
    given = parser.parse_args(arguments)
    settings = get_settings()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(message)s")
    if given.dry_run is not None:
        if not 0 < given.days <= 366:
            parser.error(f"--days is more than 0 and at most 366, not {given.days:g}")
        print("A month takes about a minute, of which drift takes most.", file=sys.stderr, flush=True)
        for one in dry_run(settings, load_alert_rules(settings), given.dry_run, datetime.now(UTC), given.days):
            print("\n".join(one.report(given.days)), flush=True)
        return 0
    if given.once:
        for line in (found := once(settings)).written:
            print(line, flush=True)
        print(f"{found.firing} firing, {found.pending} pending.", flush=True)
        return 0
    with one_at_a_time(settings, "alerts", 0):
        loop = Alerts(settings)

        def stop(number: int, frame: FrameType | None) -> None:
            loop.stopping = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        loop.run_until_stopped()
    return 0
