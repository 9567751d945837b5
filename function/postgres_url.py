"""Reads DATABASE_URL, which is a connection URI of libpq.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

# The parameters of DATABASE_URL, and the variables that they override.
PARAMETERS = {
    "host": "PGHOST",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "application_name": "PGAPPNAME",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "options": "PGOPTIONS",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "channel_binding": "PGCHANNELBINDING",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}
# These change which server is reached, or how safely. They must not be ignored.
UNSUPPORTED = {
    "hostaddr": "PGHOSTADDR",
    "service": "PGSERVICE",
    "servicefile": "PGSERVICEFILE",
    "require_auth": "PGREQUIREAUTH",
    "requiressl": "PGREQUIRESSL",
    "requirepeer": "PGREQUIREPEER",
    "sslcertmode": "PGSSLCERTMODE",
    "sslcrl": "PGSSLCRL",
    "sslcrldir": "PGSSLCRLDIR",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "gssencmode": "PGGSSENCMODE",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
}
# These change nothing that matters here.
IGNORED = {
    *("client_encoding", "fallback_application_name", "passfile", "sslcompression", "sslsni"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    *("tcp_user_timeout", "krbsrvname", "gsslib", "gssdelegation"),
}
# As libpq reads it: a user part ends at the first @, if no / comes before.
URL = re.compile(
    r"postgres(?:ql)?://"
    r"(?:(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@)?"
    r"(?P<hosts>[^/?]*)(?:/(?P<database>[^?]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
HOST = re.compile(r"(?:\[(?P<ipv6>[^\]]+)\]|(?P<name>[^:\[@]*))(?::(?P<port>\d*))?")
SPACES = " \t\n\v\f\r"
ENCODE = "percent-encode the special characters of user, password and values (? as %3F, @ as %40)"


class UrlError(Exception):
    """The URL can't be read; the text quotes no part of it."""


def parse_url(url: str) -> dict[str, str]:
    """Split the URL, as libpq does, into the variables that it stands for. Raises UrlError."""
    found = URL.fullmatch(url)
    if not found:
        raise UrlError(f"must begin with postgresql:// (without quotes); {ENCODE}")
    hosts = [HOST.fullmatch(host) for host in found["hosts"].split(",")]
    names = [host["ipv6"] or host["name"] for host in hosts if host]
    ports = [host["port"] or "" for host in hosts if host]
    if len(names) != len(hosts):
        raise UrlError(f"has no valid host and port; {ENCODE}")
    values = {
        "PGHOST": ",".join(names),
        "PGPORT": ",".join(ports),
        "PGDATABASE": found["database"] or "",
        "PGUSER": found["user"] or "",
        "PGPASSWORD": found["password"] or "",
        **dict(_parameters(found["query"] or "")),
    }
    return {name: text for name, value in values.items() if (text := _decoded(value))}


def _parameters(query: str) -> Iterator[tuple[str, str]]:
    """The variables that the query stands for; their values are still encoded."""
    for number, part in enumerate(query.split("&") if query else (), start=1):
        name, equals, value = part.partition("=")
        name = _decoded(name)
        if (name, value) == ("ssl", "true"):  # libpq takes this from JDBC
            name, value = "sslmode", "require"
        if not equals or "=" in value:
            raise UrlError(f"parameter {number} of its query is not name=value; {ENCODE}")
        if variable := PARAMETERS.get(name) or UNSUPPORTED.get(name):
            yield variable, value
        elif name not in IGNORED:
            raise UrlError(f"parameter {number} of its query is not supported; {ENCODE}")


def _decoded(text: str) -> str:
    text = text.strip(SPACES)
    if set(text) & set(SPACES):
        raise UrlError("has a space; write %20 for it")
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        decoded = "\0"
    if "\0" in decoded or re.search("%(?![0-9a-fA-F]{2})", text):
        raise UrlError("a percent sign begins no UTF-8 character; write %25 for the sign itself")
    return decoded
