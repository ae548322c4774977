"""What a download button that the ledger records is given: the data, or why this visitor may not take it."""

from collections.abc import Callable

from dashboard.auth import current_actor
from dashboard.queries.watch import EXPECTED
from dashboard.wording import sentence


def recorded_export(of: Callable[[], Callable[[], bytes]]) -> tuple[str, Callable[[], bytes] | bytes]:
    """Why somebody may not export (empty where they may), and what is downloaded.

    of: an action of `dashboard.actions` that asks for the role and gives the function that makes the file.
    """
    try:
        why_not = current_actor().why_not("export")
        return why_not, b"" if why_not else of()
    except EXPECTED as error:
        return sentence(error), b""
