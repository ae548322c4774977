"""What can go wrong in a job, said in one sentence to the person who reads the Jobs page."""


class JobError(Exception):
    """A job cannot go on. The message is one clear sentence: which thing, which value, what to do."""


class ModelsNotPrepared(JobError):
    """The model files that scoring needs are not in the workspace."""


class StillAtWork(JobError):
    """Another process of the workspace is doing the same work."""


class UnexpectedFailure(JobError):
    """Something broke that nobody foresaw. The message has its kind and place, not what it says: it may be a prompt."""


def unexpected_failure(error: BaseException) -> UnexpectedFailure:
    """The failure that stands for an error that nobody foresaw."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" in {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    return UnexpectedFailure(
        f"An unexpected {type(error).__name__}{place} ended the run; the job's log says where it came from."
    )
