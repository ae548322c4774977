"""What can go wrong in a job, said in one sentence to the person who reads the Jobs page."""


class JobError(Exception):
    """A job cannot go on. The message is one clear sentence: which thing, which value, what to do."""


class ModelsNotPrepared(JobError):
    """The model files that scoring needs are not in the workspace."""


class StillAtWork(JobError):
    """Another process of the workspace is doing the same work."""


class UnexpectedFailure(JobError):
    """Something broke that nobody foresaw. The message has its kind and place, not what it says: it may be a prompt."""
