"""Which served entity answers the next request."""

from collections.abc import Mapping


class TrafficSplit:
    """Smooth weighted round robin: after every 100 requests each served entity has had exactly its percentage.

    Unlike a throw of dice it also spreads them evenly: 90/10 gives the tenth request to the second, not a run of them.
    The scheme is that of nginx' upstream balancing.
    """

    def __init__(self, percentages: Mapping[str, int]) -> None:
        self._weights = {name: weight for name, weight in percentages.items() if weight > 0}
        self._credit = dict.fromkeys(self._weights, 0)
        self._total = sum(self._weights.values())

    def next(self) -> str:
        """The name of the served entity that is due. Raises LookupError if none has traffic."""
        if not self._weights:
            raise LookupError("No served entity has traffic.")
        for name, weight in self._weights.items():
            self._credit[name] += weight
        due = max(self._credit, key=self._credit.__getitem__)
        self._credit[due] -= self._total
        return due
