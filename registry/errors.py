"""What can go wrong in the model registry. Every message is one sentence: which thing, which value, what to do."""


class RegistryError(Exception):
    """Any failure of the registry that a person should read."""


class VersionMissing(RegistryError):
    """No such registered model, version or alias."""
