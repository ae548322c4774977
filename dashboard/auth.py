"""Who is using the dashboard, and as what."""

import getpass

from registry.actors import Actor


def current_actor() -> Actor:
    """The person whom changes and wishes are recorded under, with their role.

    Without a sign-in the dashboard listens on this machine only: whoever opens it there counts as its user.
    """
    try:
        return Actor(getpass.getuser(), "admin")
    except (KeyError, OSError):
        # A container may run under a user number that has no name.
        return Actor("local", "admin")
