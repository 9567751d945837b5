"""Made-up secrets that no output may contain, and the search for them."""

import base64
from collections.abc import Iterable, Mapping

# Letters and digits only, so that no quoting changes them. Each has a form of its own.
MESSAGE = "CanaryMessage7f3a91"  # a part of what the student says
TASK = "CanaryTask2c84de"
URL_PASSWORD = "CanaryUrlPassword51be07"
FILE_PASSWORD = "CanaryFilePassword8d20fa"
MODEL_KEY = "CanaryModelKey3e67bc"
TOKEN = "CanaryToken90ad45"  # what a client sends as a token, and no issuer made
IDEMPOTENCY_KEY = "CanaryIdempotencyKeyb6f218"
OTHER = "CanaryOtherVariable4470ce"  # a variable that the function does not know
METRICS_TOKEN = "CanaryMetricsToken1b93e8"
COLLECTOR_TOKEN = "CanaryCollectorToken6cf0a2"

WORDS = (MESSAGE, TASK)
SECRETS = (*(URL_PASSWORD, FILE_PASSWORD, MODEL_KEY, TOKEN, IDEMPOTENCY_KEY, OTHER, METRICS_TOKEN),)


def found(outputs: Mapping[str, bytes], secrets: Iterable[str]) -> list[str]:
    """Name the outputs that contain a secret, as it is or encoded."""
    return [
        f"{secret} in {name}: ...{_around(output, form)}..."
        for name, output in outputs.items()
        for secret in secrets
        for form in _forms(secret)
        if form in output.lower()
    ]


def _forms(secret: str) -> set[bytes]:
    """The secret, and what Base64, hexadecimal and UTF-16 make of it, in lower case."""
    plain = secret.encode()
    in_base64 = [base64.b64encode(bytes(shift) + plain)[4:-4] for shift in range(3)]
    forms = {plain, plain.hex().encode(), secret.encode("utf-16-le"), *in_base64}
    forms.add("".join(f"%{byte:02x}" for byte in plain).encode())
    return {form.lower() for form in forms}


def _around(output: bytes, form: bytes) -> str:
    start = output.lower().index(form)
    return repr(output[max(0, start - 80) : start + len(form) + 80])
