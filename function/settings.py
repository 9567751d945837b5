"""The configuration: the environment, read once at start and checked as a whole."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from function import access_settings
from function.access_settings import RateLimit, TokenSettings
from function.llm_settings import LlmSettings, find_unused, read_llm_settings
from function.metrics_settings import MetricsSettings, read_metrics_settings
from function.postgres_settings import PostgresSettings, read_settings
from function.variables import OFF, ON, Variables

if TYPE_CHECKING:
    from function.otel_settings import OtlpSettings
    from function.profile_settings import ProfileSettings

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("auto", "json", "google")

# Platforms kill a process 30 seconds after its SIGTERM. Of these:
DRAIN_TIMEOUT = 25  # seconds for the requests in progress
LONGEST_REQUEST = 24  # seconds for the model and the database


class ConfigurationError(Exception):
    """The environment is not a valid configuration; the text names every problem, one a line."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration. Times are in seconds; `llm` is None with the stub.

    `tokens` is None where callers are not checked, `rate_limit` where there is no limit, `warnings`
    tells of OTEL_* variables, and `unused` names the LLM_* variables that nothing reads.
    """

    postgres: PostgresSettings
    database_timeout: float
    migrate_timeout: float
    port: int
    shutdown_delay: float
    keep_alive_timeout: float
    log_level: str
    log_format: str
    docs: bool
    tokens: TokenSettings | None
    cors_origins: tuple[str, ...]
    rate_limit: RateLimit | None
    metrics: MetricsSettings
    otlp: "OtlpSettings | None"
    warnings: tuple[str, ...]
    profiles: "ProfileSettings | None"
    llm: LlmSettings | None
    unused: tuple[str, ...]


def load(environ: Mapping[str, str]) -> Settings:
    """Read the configuration from environment variables; an empty one counts as not set.

    Raises ConfigurationError, which names every wrong or missing variable at once.
    """
    variables = Variables(environ)
    postgres = read_settings(variables)
    database_timeout = variables.seconds("DATABASE_TIMEOUT", 10, at_most=20)
    llm = read_llm_settings(variables)
    otlp, warnings = _read_otlp(variables)
    settings = Settings(
        postgres=postgres,
        database_timeout=database_timeout,
        migrate_timeout=variables.seconds("MIGRATE_TIMEOUT", 60, at_most=3600),
        port=variables.integer("PORT", 8080, at_most=65535),
        shutdown_delay=variables.seconds("SHUTDOWN_DELAY", 0, at_least=0, at_most=5),
        keep_alive_timeout=variables.seconds("KEEP_ALIVE_TIMEOUT", 95, at_most=3600),
        log_level=variables.choice("LOG_LEVEL", "INFO", LOG_LEVELS),
        log_format=_log_format(variables),
        docs=variables.choice("DOCS", "on", (*ON, *OFF)) in ON,
        tokens=access_settings.read_token_settings(variables),
        cors_origins=access_settings.read_origins(variables),
        rate_limit=access_settings.read_rate_limit(variables),
        metrics=read_metrics_settings(variables),
        otlp=otlp,
        warnings=warnings,
        profiles=_read_profiles(variables),
        llm=llm,
        unused=find_unused(variables, llm),
    )
    if llm and llm.timeout + database_timeout > LONGEST_REQUEST:
        variables.problems.append(
            f"LLM_TIMEOUT: at most {LONGEST_REQUEST} seconds together with DATABASE_TIMEOUT"
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


def _read_otlp(variables: Variables) -> tuple["OtlpSettings | None", tuple[str, ...]]:
    if not any(name.startswith("OTEL_") for name in variables.environ):
        return None, ()
    from function.otel_settings import read_otlp_settings  # most starts do without it

    return read_otlp_settings(variables)


def _read_profiles(variables: Variables) -> "ProfileSettings | None":
    if not variables.text("PYROSCOPE_SERVER_ADDRESS"):
        return None
    from function.profile_settings import read_profile_settings  # most starts do without it

    return read_profile_settings(variables)


def _log_format(variables: Variables) -> str:
    """Cloud Run sets K_SERVICE, and so does Knative."""
    chosen = variables.choice("LOG_FORMAT", "auto", LOG_FORMATS)
    return "google" if chosen == "auto" and variables.text("K_SERVICE") else chosen
