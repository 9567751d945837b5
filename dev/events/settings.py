"""The settings of deploy/debezium for the engine in this process."""

from pathlib import Path

from dev.debezium import Settings, expand, server_settings, source_settings
from function.postgres_settings import PostgresSettings
from function.store.connection import credentials


def engine_settings(postgres: PostgresSettings, slot: str, offsets: Path) -> Settings:
    """All settings of the engine, for this server, slot and file of offsets."""
    [server] = postgres.hosts
    user, password = credentials(postgres)
    environ = {
        "PGHOST": server.name,
        "PGPORT": str(server.port),
        "PGDATABASE": postgres.database or user,
        "PGUSER": user,
        "PGPASSWORD": password or "",
        "PGSSLMODE": _ssl_mode(postgres),
    }
    of_kafka = ("offset.", "bootstrap.servers")
    shared = {n: v for n, v in source_settings().items() if not n.startswith(of_kafka)}
    return {
        **expand(shared, environ),
        **_converters(),
        **_ssl_files(postgres),
        "name": "mentor-events",
        "slot.name": slot,
        "offset.storage": "org.apache.kafka.connect.storage.FileOffsetBackingStore",
        "offset.storage.file.filename": str(offsets),
        "offset.flush.interval.ms": "0",  # after each batch: few repeats after kill -9
        # follow.py restarts it, because the server may have another port then.
        "errors.max.retries": "0",
    }


def _converters() -> Settings:
    """`debezium.format.value.schemas.enable` is `value.converter.schemas.enable` here."""
    return {
        name.removeprefix("debezium.format.").replace(".", ".converter.", 1): value
        for name, value in server_settings().items()
        if name.startswith("debezium.format.") and name.count(".") > 2
    }


def _ssl_mode(postgres: PostgresSettings) -> str:
    """Check against a root certificate if there is one, as libpq does; the Java driver doesn't."""
    mode = postgres.sslmode
    return "verify-ca" if mode == "require" and postgres.sslrootcert else mode


def _ssl_files(postgres: PostgresSettings) -> Settings:
    files = {
        "database.sslrootcert": postgres.sslrootcert,
        "database.sslcert": postgres.sslcert,
        "database.sslkey": postgres.sslkey,
    }
    return {name: str(file) for name, file in files.items() if file}
