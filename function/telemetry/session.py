"""The exporters' HTTP session: what `requests` and they do wrong is put right here."""

from typing import Any

import requests

BODY_LIMIT = 64 * 1024  # bytes


class Session(requests.Session):
    """Refuses redirects, reads little of an answer, and keeps to the certificate that is set."""

    def __init__(self) -> None:
        super().__init__()
        self.stream = True  # nobody needs the body, and a compressed one may fill the memory

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Raises TooManyRedirects: the exporters follow none, and count one as a success."""
        response = super().send(request, **options)
        response.raw.read(BODY_LIMIT, decode_content=False)  # else the connection is not used again
        response.close()
        if 300 <= response.status_code < 400:
            raise requests.TooManyRedirects(response=response)
        return response

    def merge_environment_settings(
        self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> Any:
        """REQUESTS_CA_BUNDLE would take precedence over the session's own certificate."""
        verify = self.verify if verify is None else verify
        return super().merge_environment_settings(url, proxies, stream, verify, cert)
