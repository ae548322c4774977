"""Whether what a diagram shows is what runs here."""

from vision.reading import Reading


def found_here(reading: Reading) -> None:
    """Which components this workspace has."""
