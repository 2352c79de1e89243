"""What the web server counts about itself."""

from collections import Counter
from collections.abc import Sequence

from attrs import Factory, define


@define
class HttpCounters:
    """Totals since start, `connections_open` and `streams_open` are levels."""

    connections: int = 0
    connections_open: int = 0
    connections_refused: int = 0
    """Above the limits in all or per source."""
    connections_failed: int = 0
    """Ended by an exception: a broken or hostile client."""
    accept_failures: int = 0
    server_restarts: int = 0
    bodies_refused: int = 0
    """Because too many were in memory already."""
    streams_open: int = 0
    streams_cut: int = 0
    """Event streams ended because the client read too slowly."""
    requests: Counter[tuple[str, str, int]] = Factory(Counter)
    """By method, route template and status: bounded, since unknown paths share one name."""
    errors: int = 0
    """Requests that ended in a fault of ours."""
    seconds_sum: float = 0.0
    buckets: list[int] = Factory(lambda: [0] * (len(BUCKETS_S) + 1))

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self.requests[method if method in METHODS else "OTHER", route, status] += 1
        self.seconds_sum += seconds
        self.buckets[next((i for i, limit in enumerate(BUCKETS_S) if seconds <= limit), len(BUCKETS_S))] += 1


BUCKETS_S: Sequence[float] = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
