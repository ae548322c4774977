"""What can go wrong with a model file. Every message is one sentence that says what to do."""


class EngineError(Exception):
    """A model cannot be used."""


class ModelNotPrepared(EngineError):
    """The folder holds no prepared model: `python -m jobs prepare` makes one."""


class ModelUnusable(EngineError):
    """A model file is missing, damaged, of a kind that is not supported, or not safe to open."""
