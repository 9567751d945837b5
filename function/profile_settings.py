"""The configuration of profiles, by the variables that Pyroscope's agents have elsewhere."""

from dataclasses import dataclass, field
from importlib.util import find_spec

from function.variables import Variables, parse_http_url


@dataclass(frozen=True, slots=True)
class ProfileSettings:
    """Where profiles go; what is not set is empty."""

    server: str
    application: str
    user: str
    password: str = field(repr=False)
    tenant: str


def read_profile_settings(variables: Variables) -> ProfileSettings:
    """Read PYROSCOPE_*."""
    server = variables.text("PYROSCOPE_SERVER_ADDRESS") or ""
    if parse_http_url(server) is None:
        variables.problems.append("PYROSCOPE_SERVER_ADDRESS: must be http(s)://host[:port]")
    if find_spec("pyroscope") is None:
        variables.problems.append(
            "PYROSCOPE_SERVER_ADDRESS: needs the extra profiles: pip install '.[profiles]'"
        )
    return ProfileSettings(
        server=server,
        application=variables.text("PYROSCOPE_APPLICATION_NAME") or "mentor-function",
        user=variables.text("PYROSCOPE_BASIC_AUTH_USER") or "",
        password=variables.text("PYROSCOPE_BASIC_AUTH_PASSWORD") or "",
        tenant=variables.text("PYROSCOPE_TENANT_ID") or "",
    )
