"""How to reach PostgreSQL, by DATABASE_URL or by libpq's PG* variables.

https://www.postgresql.org/docs/current/libpq-connect.html
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from function.postgres_url import UNSUPPORTED, UrlError, parse_url
from function.variables import Variables

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# Values of unsupported variables that ask for what happens anyway.
HARMLESS = {"PGGSSENCMODE": ("disable", "prefer"), "PGLOADBALANCEHOSTS": ("disable",)}
CHANNEL_BINDING = ("disable", "prefer", "require")
SESSION_ATTRIBUTES = ("any", "read-write", "primary")  # no other server takes rows


class Host(NamedTuple):
    """A server to try. `name` may be the folder of the server's socket."""

    name: str
    port: int


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """Where PostgreSQL is and how to reach it. The hosts are tried in order."""

    hosts: tuple[Host, ...]
    database: str | None
    user: str | None
    password: str | None = field(repr=False)
    credentials_dir: Path | None
    sslmode: str
    sslnegotiation: str
    sslrootcert: Path | Literal["system"] | None
    sslcert: Path | None
    sslkey: Path | None
    channel_binding: str
    target_session_attrs: str
    options: str | None
    connect_timeout: float
    application_name: str

    @property
    def address(self) -> str:
        """The hosts and their ports, for a message."""
        return ",".join(f"{host.name}:{host.port}" for host in self.hosts)


def read_settings(variables: Variables) -> PostgresSettings:
    """Read the settings; every problem is added to the variables' list."""
    variables = _with_url(variables)
    system = variables.text("PGSSLROOTCERT") == "system"
    settings = PostgresSettings(
        hosts=_hosts(variables),
        database=variables.text("PGDATABASE"),
        user=variables.text("PGUSER"),
        password=variables.text("PGPASSWORD"),
        credentials_dir=variables.path("PG_CREDENTIALS_DIR"),
        sslmode=variables.choice("PGSSLMODE", "verify-full" if system else "prefer", SSL_MODES),
        sslnegotiation=variables.choice("PGSSLNEGOTIATION", "postgres", ("postgres", "direct")),
        sslrootcert="system" if system else variables.file("PGSSLROOTCERT"),
        sslcert=variables.file("PGSSLCERT"),
        sslkey=variables.file("PGSSLKEY"),
        channel_binding=variables.choice("PGCHANNELBINDING", "prefer", CHANNEL_BINDING),
        target_session_attrs=variables.choice("PGTARGETSESSIONATTRS", "any", SESSION_ATTRIBUTES),
        options=variables.text("PGOPTIONS"),
        connect_timeout=variables.seconds("PGCONNECT_TIMEOUT", 3, at_most=60),
        application_name=variables.text("PGAPPNAME") or "mentor-function",
    )
    variables.problems.extend([*_unsupported(variables), *_contradictions(settings)])
    return settings


def _with_url(variables: Variables) -> Variables:
    """Let DATABASE_URL override libpq's variables."""
    url = variables.text("DATABASE_URL")
    try:
        return variables.overridden_by(parse_url(url)) if url else variables
    except UrlError as exc:
        variables.problems.append(f"DATABASE_URL: {exc}")
        return variables.overridden_by({"PGHOST": "invalid", "PGUSER": "invalid"})


def _hosts(variables: Variables) -> tuple[Host, ...]:
    """Read the hosts: a list has one port for all of them, or one for each."""
    names = (variables.text("PGHOST") or "").split(",")
    ports = (variables.text("PGPORT") or "").split(",")
    if len(ports) not in (1, len(names)):
        variables.problems.append("PGPORT: must be one port, or one for each host")
    if len(ports) != len(names):
        ports = ports[:1] * len(names)
    hosts = []
    for name, port in zip(names, ports, strict=True):
        one = variables.overridden_by({"PGHOST": name, "PGPORT": port})
        hosts.append(Host(one.host("PGHOST"), one.integer("PGPORT", 5432, at_most=65535)))
    return tuple(hosts)


def _unsupported(variables: Variables) -> Iterator[str]:
    for parameter, name in UNSUPPORTED.items():
        value = variables.text(name)
        if value is not None and value not in HARMLESS.get(name, ()):
            yield f"{name}: not supported (nor is {parameter} in DATABASE_URL)"


def _contradictions(postgres: PostgresSettings) -> Iterator[str]:
    if postgres.hosts == (Host("", postgres.hosts[0].port),):
        yield "DATABASE_URL or PGHOST: neither names a host of PostgreSQL"
    elif not all(host.name for host in postgres.hosts):
        yield "PGHOST: a host of the list has no name"
    if not postgres.user and not postgres.credentials_dir:
        yield "PGUSER: missing; set it, a user in DATABASE_URL, or PG_CREDENTIALS_DIR"
    if postgres.credentials_dir and not postgres.credentials_dir.is_dir():
        yield "PG_CREDENTIALS_DIR: must be a folder"
    if postgres.sslmode.startswith("verify") and not postgres.sslrootcert:
        yield f"PGSSLROOTCERT: missing, and sslmode={postgres.sslmode} needs it (or `system`)"
    if postgres.sslrootcert == "system" and postgres.sslmode != "verify-full":
        yield "PGSSLMODE: must be verify-full with sslrootcert=system"
    if postgres.sslnegotiation == "direct" and postgres.sslmode in ("disable", "allow", "prefer"):
        yield "PGSSLMODE: must be require or stricter with sslnegotiation=direct"
    if postgres.sslkey and not postgres.sslcert:
        yield "PGSSLCERT: missing, and PGSSLKEY needs it"
