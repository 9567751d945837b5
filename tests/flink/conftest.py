"""The real chain, with the tables and topics of deploy/flink."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from dev.kafka import DebeziumServer, Kafka
from dev.kafka.prepare import create_role, create_topics, variables
from dev.postgres import EmbeddedPostgres
from insights import database
from tests.conftest import apply_schema, open_connection
from tests.flink.flow import ALERTS, WINDOWS, Flow
from tests.instance import ROOT

TABLES = ROOT / "deploy/flink/tables.sql"
PASSWORD = """a:b\\c'd"e$f;--g"""


@pytest.fixture(scope="session")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    """The chain; Flink's login needs its password."""
    folder = tmp_path_factory.mktemp("flow")
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    (folder / "pgpass").write_text(f"*:*:*:*:{escaped}\n")
    with EmbeddedPostgres.temporary() as postgres, Kafka(folder / "kafka") as kafka:
        url = postgres.create_database("mentor")
        apply_schema(url)
        create_role(postgres)
        create_topics(kafka)
        for topic in (WINDOWS, ALERTS):
            kafka.create_topic(topic, 3)
        environ = variables(postgres, "mentor", kafka)
        with (
            closing(open_connection(url)) as connection,
            DebeziumServer(folder / "debezium", environ),
        ):
            database.apply(connection, "Europe/Berlin")
            connection.run(TABLES.read_text(encoding="utf-8"))
            password = PASSWORD.replace("'", "''")
            connection.run(f"CREATE ROLE flink LOGIN PASSWORD '{password}' IN ROLE mentor_flink")
            postgres.require_password("flink")
            connection.run("SELECT pg_reload_conf()")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("PGPASSFILE", str(folder / "pgpass"))
                yield Flow(folder, connection, kafka.bootstrap, {**environ, "PGUSER": "flink"})
