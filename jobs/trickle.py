"""`python -m jobs trickle`: now and then a question to the demo endpoint, so that a laptop has live traffic."""

import random
import signal
import sys
import time
from types import FrameType

from jobs.demo_history import REQUESTERS
from jobs.demo_workspace import refuse_where_others_work
from jobs.questions import QUESTIONS
from serving.client import EndpointClient
from serving.errors import ServingError
from settings import Settings, get_settings


def ask_one(settings: Settings, client: EndpointClient, chance: random.Random) -> None:
    """Ask the endpoint one question of the bank, in the name of one of the demo's requesters."""
    question = chance.choice(QUESTIONS)
    client.ask(settings.endpoint, question.text, requester=chance.choice(REQUESTERS))


def main(arguments: list[str]) -> int:
    """Ask until SIGTERM, with a pause of about `demo_trickle_seconds` after each. Takes no argument."""
    settings = get_settings()
    refuse_where_others_work(settings)
    chance = random.Random()
    client = EndpointClient(settings)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    while True:
        try:
            ask_one(settings, client, chance)
        except ServingError as error:
            # The gateway may be starting or switching; the first screen shows its state, so one line is enough here.
            print(f"not answered: {error}", flush=True)
        time.sleep(settings.demo_trickle_seconds * chance.uniform(0.5, 1.5))
