"""The page for Prometheus, at /metrics."""

import hmac
from pathlib import Path

from function.errors import Unauthenticated
from function.http.messages import Request, Response, bearer_token


class MetricsPage:
    """Shows all metrics of this instance, to who brings the token if there is a file with one."""

    def __init__(self, token_file: Path | None) -> None:
        self._token_file = token_file

    async def show(self, request: Request) -> Response:
        """Raises Unauthenticated."""
        if self._token_file:
            # Read for each scrape, so that a rotated token needs no restart.
            token = self._token_file.read_bytes().strip()
            given = bearer_token(request.headers) or ""
            if not token or not hmac.compare_digest(token, given.encode("latin-1")):
                raise Unauthenticated("the metrics need a token", 'Bearer realm="metrics"')
        from function.telemetry import prometheus  # imported at the first scrape

        return Response(200, *prometheus.render(request.headers.get("accept", "")))
