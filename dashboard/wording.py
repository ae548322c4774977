"""Numbers, times and texts as people read them."""

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime

NOTHING = "–"
"""What stands where there is no value."""

_BARE_LINK = re.compile(r"(https?(?=://)|www(?=\.)|(?=@))", re.IGNORECASE)
"""Where Markdown makes a link of bare text, which no backslash prevents."""
_WORD_JOINER = "\u2060"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>$:&@])")


def plain(text: object) -> str:
    """Text that Markdown shows as it is: no link, picture, colour or formula can hide in a name or a message."""
    apart = _BARE_LINK.sub(rf"\1{_WORD_JOINER}", " ".join(str(text).split()))
    return _MARKDOWN.sub(r"\\\1", apart)


def sentence(error: object) -> str:
    """An error's message, without the backticks that it has for readers of a terminal."""
    return plain(str(error).replace("`", ""))


def number(value: float | None, decimals: int = 0) -> str:
    """A number with thin thousands separators; a dash for none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{value:,.{decimals}f}".replace(",", "\u202f").replace("-", "\u2212")


def signed(value: float | None, decimals: int = 2) -> str:
    """A number with its sign."""
    text = number(value, decimals)
    return f"+{text}" if value is not None and math.isfinite(value) and value > 0 else text


def percent(share: float | None, decimals: int = 1) -> str:
    """A share (0 to 1) in per cent."""
    return NOTHING if share is None or not math.isfinite(share) else f"{number(share * 100, decimals)}\u00a0%"


def random_sample(figure: str, scored: int, whole: int, things: str = "answers") -> str:
    """The sentence that says on how many of all a figure rests, where a random sample of them was scored."""
    share = scored / whole if whole else math.nan
    fraction = percent(share, 0 if share >= 0.095 else 1)
    counts = f"{number(scored)} of {number(whole)} {things} ({fraction})"
    return f"{figure}: a random sample of {counts} was scored; averages weight it."


def probability(p_value: float | None) -> str:
    """A p-value, never rounded to zero."""
    if p_value is None or not math.isfinite(p_value):
        return NOTHING
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def p_value(value: float | None) -> str:
    """A p-value with its name, for Markdown: p = 0.034, p < 0.001."""
    text = probability(value)
    return f"p \\{text}" if text.startswith("<") else f"p = {text}"


def milliseconds(value: float | None) -> str:
    """A latency in milliseconds, from a second on in seconds."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value >= 1000:
        return f"{number(value / 1000, 2)}\u00a0s"
    return f"{number(value, 1 if value < 10 else 0)}\u00a0ms"


def duration(seconds: float | None) -> str:
    """A length of time in its two largest units."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    seconds = max(seconds, 0.0)
    if seconds < 10:
        return f"{seconds:.1f}\u00a0s"
    whole = round(seconds)
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size}\u00a0{unit}" + (f" {rest}\u00a0{name}" if rest else "")
    return f"{whole}\u00a0s"


def age(time: datetime | None, now: datetime | None = None) -> str:
    """How long ago something was, in one unit."""
    if time is None:
        return "never"
    seconds = ((now or datetime.now(UTC)) - time).total_seconds()
    if seconds < 45:
        return "just now"
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        count = round(seconds / size)
        if seconds >= size * 0.75 and count:
            return f"{count} {unit}{'s' if count != 1 else ''} ago"
    return "just now"


def told_apart(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """The names as headings, of which each stands once: a name that comes again, or is taken, gets a number."""
    seen, headings = set(taken), []
    for name in names:
        heading, times = name, 1
        while heading in seen:
            times += 1
            heading = f"{name} ({times})"
        seen.add(heading)
        headings.append(heading)
    return headings


def plural(count: int, one: str, many: str | None = None) -> str:
    """A count with its noun: 1 row, 2 rows."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"
