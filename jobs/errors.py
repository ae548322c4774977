"""What can go wrong in a job, said in one sentence to the person who reads the Jobs page."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class JobError(Exception):
    """A job cannot go on. The message is one clear sentence: which thing, which value, what to do."""


class ModelsNotPrepared(JobError):
    """The model files that scoring needs are not in the workspace."""


class StillAtWork(JobError):
    """Another process of the workspace is doing the same work."""


class UnexpectedFailure(JobError):
    """Something broke that nobody foresaw. The message has its kind and place, not what it says: it may be a prompt."""


@contextmanager
def failures_written_down(write: Callable[[str], object], foreseen: tuple[type[Exception], ...]) -> Iterator[None]:
    """A failure of the body is written down with its sentence, so that no page shows the run as running, and raised.

    foreseen: errors whose message is such a sentence. Any other becomes an UnexpectedFailure: its message may quote a
    prompt, so neither table nor log gets it; the kind of error and where it came from have to do.
    """
    try:
        yield
    except foreseen as error:
        write(str(error))
        raise
    except Exception as error:  # noqa: BLE001
        traceback.print_tb(error.__traceback__)
        failure = unexpected_failure(error)
        write(str(failure))
        raise failure from None


def unexpected_failure(error: BaseException) -> UnexpectedFailure:
    """The failure that stands for an error that nobody foresaw."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" in {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    return UnexpectedFailure(
        f"An unexpected {type(error).__name__}{place} ended the run; the job's log says where it came from."
    )
