"""What can go wrong between a table and a page."""


class DashboardError(Exception):
    """A failure that a panel shows as one sentence."""


class QueryFailed(DashboardError):
    """A table could not be read for a page."""
