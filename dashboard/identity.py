"""Who is using the dashboard."""

import getpass


def current_user() -> str:
    """The name that changes and wishes are recorded under: the operating system's user.

    The dashboard listens on this machine only and has no sign-in: whoever opens it there counts as that user.
    """
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a user number that has no name.
        return "local"
