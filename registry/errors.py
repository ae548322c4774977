"""What can go wrong in the model registry. Every message is one sentence: which thing, which value, what to do."""


class RegistryError(Exception):
    """Any failure of the registry that a person should read."""


class VersionMissing(RegistryError):
    """No such registered model, version or alias."""


class NotAllowed(RegistryError):
    """The actor's role is not enough for the action."""


class ChangeConflict(RegistryError):
    """Production is not what the plan was made on any more, or somebody else is changing it: look again."""


class GateNotPassed(RegistryError):
    """A check of the gate failed or could not run, and nobody overrode it."""


class ChangeFailed(RegistryError):
    """A change was begun and could not be carried out; the sentence says what production is now."""
