"""A state as a badge: a colour, an icon and always the word."""

from dashboard.wording import plain

_LOOKS = {
    "green": ("check", {"succeeded", "ready", "done", "up"}),
    "blue": ("sync", {"running"}),
    "red": ("close", {"failed", "not ready"}),
    "orange": ("priority_high", {"timed_out", "interrupted", "restarting", "rejected"}),
    "gray": ("remove", {"waiting", "stopped"}),
}


def state_badge(state: str) -> str:
    """Markdown of a badge for the state of a run, a step, a process, a change or a served entity."""
    for color, (icon, states) in _LOOKS.items():
        if state in states:
            return f":{color}-badge[:material/{icon}: {plain(state.replace('_', ' '))}]"
    return f":gray-badge[{plain(state)}]"
