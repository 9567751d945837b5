"""The configuration: the environment, read once at start and checked as a whole."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from function.variables import Variables

if TYPE_CHECKING:
    from function.llm.settings import LlmSettings

SSL_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
PROVIDERS = ("stub", "openai", "anthropic")
SWITCHES = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}

# What may stand in DATABASE_URL's query, and the variable that it overrides.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
URL_PARAMETERS = {
    "host": "PGHOST",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "application_name": "PGAPPNAME",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}


class ConfigurationError(Exception):
    """The environment is not a valid configuration; the text names every problem, one a line."""


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """Where PostgreSQL is and how to reach it. `host` may be a folder: then it holds the socket."""

    host: str
    port: int
    database: str | None
    user: str | None
    password: str | None = field(repr=False)
    credentials_dir: Path | None
    sslmode: str
    sslrootcert: Path | None
    sslcert: Path | None
    sslkey: Path | None
    connect_timeout: float
    application_name: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration. Times are in seconds; `llm` is None with the stub."""

    postgres: PostgresSettings
    database_timeout: float
    migrate_timeout: float
    port: int
    shutdown_delay: float
    log_level: str
    docs: bool
    llm: "LlmSettings | None"


def load(environ: Mapping[str, str]) -> Settings:
    """Read the configuration from environment variables; an empty one counts as not set.

    Raises ConfigurationError, which names every wrong or missing variable at once.
    """
    variables = Variables(environ)
    postgres = _postgres(variables)
    database_timeout = variables.seconds("DATABASE_TIMEOUT", 10, at_most=20)
    settings = Settings(
        postgres=postgres,
        database_timeout=database_timeout,
        migrate_timeout=variables.seconds("MIGRATE_TIMEOUT", 60, at_most=3600),
        port=variables.integer("PORT", 8080, at_most=65535),
        shutdown_delay=variables.seconds("SHUTDOWN_DELAY", 0, at_least=0, at_most=5),
        log_level=variables.choice("LOG_LEVEL", "INFO", LOG_LEVELS),
        docs=SWITCHES[variables.choice("DOCS", "on", tuple(SWITCHES))],
        llm=_llm(variables, database_timeout),
    )
    if variables.problems:
        raise ConfigurationError("\n".join(variables.problems))
    return settings


def load_or_exit(environ: Mapping[str, str]) -> Settings:
    """Read the configuration, or say on stderr what is wrong with it and exit with code 2."""
    try:
        return load(environ)
    except ConfigurationError as exc:
        print(f"The configuration is not valid:\n{exc}", file=sys.stderr)
        raise SystemExit(2) from None


def _llm(variables: Variables, database_timeout: float) -> "LlmSettings | None":
    provider = variables.choice("LLM_PROVIDER", "stub", PROVIDERS)
    if provider == "stub":
        return None
    from function.llm.settings import read_settings  # the stub's cold start does without it

    return read_settings(provider, variables, database_timeout)


def _postgres(variables: Variables) -> PostgresSettings:
    url = variables.text("DATABASE_URL")
    if url:
        variables = variables.overridden_by(_parse_url(url, variables.problems))
    settings = PostgresSettings(
        host=variables.text("PGHOST") or "",
        port=variables.integer("PGPORT", 5432, at_most=65535),
        database=variables.text("PGDATABASE"),
        user=variables.text("PGUSER"),
        password=variables.text("PGPASSWORD"),
        credentials_dir=variables.path("PG_CREDENTIALS_DIR"),
        sslmode=variables.choice("PGSSLMODE", "prefer", SSL_MODES),
        sslrootcert=variables.path("PGSSLROOTCERT"),
        sslcert=variables.path("PGSSLCERT"),
        sslkey=variables.path("PGSSLKEY"),
        connect_timeout=variables.seconds("PGCONNECT_TIMEOUT", 3, at_most=60),
        application_name=variables.text("PGAPPNAME") or "mentor-function",
    )
    _check(settings, variables.problems)
    return settings


def _check(postgres: PostgresSettings, problems: list[str]) -> None:
    if not postgres.host:
        problems.append("DATABASE_URL or PGHOST: neither names a host of PostgreSQL")
    if "," in postgres.host:
        problems.append("PGHOST: only one host is supported, not a list")
    if not postgres.user and not postgres.credentials_dir:
        problems.append("PGUSER: missing (so are a user in DATABASE_URL and PG_CREDENTIALS_DIR)")
    if postgres.credentials_dir and not postgres.credentials_dir.is_dir():
        problems.append("PG_CREDENTIALS_DIR: must be a folder")
    if postgres.sslmode.startswith("verify") and not postgres.sslrootcert:
        problems.append(f"PGSSLROOTCERT: missing, and sslmode={postgres.sslmode} needs it")
    if postgres.sslkey and not postgres.sslcert:
        problems.append("PGSSLCERT: missing, and PGSSLKEY needs it")


def _parse_url(url: str, problems: list[str]) -> dict[str, str]:
    """Split a libpq connection URI into the PG* variables that it stands for.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        problems.append("DATABASE_URL: not a URL with a valid host and port")
        return {"PGHOST": "invalid", "PGUSER": "invalid"}
    if parts.scheme not in ("postgresql", "postgres"):
        problems.append("DATABASE_URL: must begin with postgresql://")
        return {"PGHOST": "invalid", "PGUSER": "invalid"}
    found = {
        "PGHOST": unquote(parts.hostname or ""),
        "PGPORT": str(port or ""),
        "PGDATABASE": unquote(parts.path.removeprefix("/")),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
    }
    for name, value in parse_qsl(parts.query):
        if name in URL_PARAMETERS:
            found[URL_PARAMETERS[name]] = value
        else:
            problems.append(f"DATABASE_URL: the parameter {name!r} is not supported")
    return {name: value for name, value in found.items() if value}
