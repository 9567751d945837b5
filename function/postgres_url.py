"""Reads DATABASE_URL, which is a connection URI of libpq.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes


def _variables(*parameters: str) -> dict[str, str]:
    return {name: f"PG{name.replace('_', '').upper()}" for name in parameters}


# The parameters of DATABASE_URL, and the variables that they override.
PARAMETERS = _variables(
    *("host", "port", "user", "password", "options", "target_session_attrs", "channel_binding"),
    *("sslmode", "sslnegotiation", "sslrootcert", "sslcert", "sslkey"),
) | {
    "dbname": "PGDATABASE",
    "application_name": "PGAPPNAME",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}
# These change which server is reached, or how safely. They must not be ignored.
UNSUPPORTED = _variables(
    *("hostaddr", "service", "servicefile", "require_auth", "requiressl", "requirepeer"),
    *("sslcertmode", "sslcrl", "sslcrldir", "gssencmode", "load_balance_hosts"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version", "sslpassword"),
    "min_protocol_version",
)
# These change nothing that matters here.
IGNORED = {
    *("client_encoding", "fallback_application_name", "passfile", "sslcompression", "sslsni"),
    *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    *("tcp_user_timeout", "krbsrvname", "gsslib", "gssdelegation", "max_protocol_version"),
}
# Parameters of Prisma, SQLAlchemy, asyncpg, psycopg, JDBC and others: the only names that an error
# may contain, because any other can be part of a password with an unencoded question mark.
FOREIGN = {
    *("pgbouncer", "schema", "ssl", "connection_limit", "pool_timeout", "socket_timeout"),
    *("statement_cache_size", "prepared_statement_cache_size", "prepare_threshold"),
    *("pool_size", "max_overflow", "pool_max_conns", "command_timeout", "statement_timeout"),
    *("sslaccept", "sslidentity", "currentSchema", "search_path", "supa"),
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
    """The URL can't be read; the text quotes no value from it."""


def parse_url(url: str) -> dict[str, str]:
    """Split the URL, as libpq does, into the variables that it stands for. Raises UrlError.

    A line break at its end is removed: files and secrets often have one.
    """
    found = URL.fullmatch(url.rstrip(SPACES))
    if not found:
        raise UrlError(f"must begin with postgresql:// (without quotes); {ENCODE}")
    hosts = [HOST.fullmatch(host) for host in found["hosts"].split(",")]
    if None in hosts:
        raise UrlError(f"has no valid host and port; {ENCODE}")
    values = {
        "PGHOST": ",".join(host["ipv6"] or host["name"] for host in hosts if host),
        "PGPORT": ",".join(host["port"] or "" for host in hosts if host),
        "PGDATABASE": found["database"] or "",
        "PGUSER": found["user"] or "",
        "PGPASSWORD": found["password"] or "",
        **dict(_parameters(found["query"] or "")),
    }
    return {name: text for name, value in values.items() if (text := _decoded(value))}


def _parameters(query: str) -> Iterator[tuple[str, str]]:
    """Yield the variables that the query stands for, with values that are still encoded."""
    for number, part in enumerate(query.split("&") if query else (), start=1):
        name, equals, value = part.partition("=")
        name = _decoded(name)
        if (name, value) == ("ssl", "true"):  # libpq takes this from JDBC
            name, value = "sslmode", "require"
        if not equals or "=" in value:
            raise UrlError(f"parameter {number} of its query is not name=value; {ENCODE}")
        if name in FOREIGN:
            raise UrlError(f"remove its parameter {name}: libpq has none of this name")
        if variable := PARAMETERS.get(name) or UNSUPPORTED.get(name):
            yield variable, value
        elif name not in IGNORED:
            raise UrlError(f"parameter {number} of its query is not supported; {ENCODE}")


def _decoded(text: str) -> str:
    text = text.strip(" ")
    if set(text) & set(SPACES):
        raise UrlError("has a space or a line break; write %20 or %0A for it")
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        decoded = "\0"
    if "\0" in decoded or re.search("%(?![0-9a-fA-F]{2})", text):
        raise UrlError("a percent sign begins no UTF-8 character; write %25 for the sign itself")
    return decoded
