"""A database that is not UTF-8: made by initdb in the locale C, or old."""

from contextlib import closing

import pytest

from function.settings import load
from function.store.connection import connect
from tests.conftest import open_connection


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_text_is_spoken_in_utf8_whatever_the_database_is_in(server_url: str, encoding: str) -> None:
    with closing(open_connection(server_url)) as connection:
        connection.run(f"DROP DATABASE IF EXISTS odd_{encoding}")
        connection.run(
            f"CREATE DATABASE odd_{encoding} TEMPLATE template0 ENCODING '{encoding}'"
            " LOCALE_PROVIDER libc LOCALE 'C'"
        )
    url = server_url.rpartition("/")[0] + f"/odd_{encoding.lower()}"
    with closing(connect(load({"DATABASE_URL": url}).postgres, 5)) as session:
        assert session.run("SHOW client_encoding") == [["UTF8"]]
        assert session.prepare("SELECT :it").run(it="\u00e9") == [["\u00e9"]]
