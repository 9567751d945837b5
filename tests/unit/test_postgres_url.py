"""DATABASE_URL means what it means to libpq, which reads the same URLs here."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from function.postgres_url import UrlError, parse_url
from function.settings import ConfigurationError, load
from tests.unit.libpq import parse_by_libpq

CANARY = "s3cret"
URLS = {
    "Neon": "postgresql://u:p@ep-1.neon.tech/db?sslmode=require&channel_binding=require",
    "Neon's endpoint": "postgresql://u:p@h/db?options=endpoint%3Dep-1&sslmode=require",
    "direct TLS": "postgresql://u:p@h/db?sslnegotiation=direct&sslmode=require",
    "system's roots": "postgresql://u:p@h/db?sslrootcert=system",
    "list of hosts": "postgresql://u:p@h1:5432,h2:5433/db?target_session_attrs=read-write",
    "list and one port": "postgresql://u:p@h1,[::1],h2/db?port=6000",
    "plus sign": "postgresql://u@h/db?password=a+b",
    "hash": "postgresql://u:x#y@h/db",
    "question mark": "postgresql://u:1?x=y@h/db",
    "hash in the query": "postgresql://u@h/db?password=x#y",
    "colon": "postgresql://u:a:b@h/db",
    "encoded": "postgresql://a%40b:p%2Fw%25%3A@h/m%20t",
    "JDBC": "postgresql://u@h/db?ssl=true",
    "socket": "postgresql://u@/db?host=/run/postgresql",
    "nothing": "postgresql://",
}
REFUSED = {
    "slash in the password": f"postgresql://u:{CANARY}/x@h/db",
    "at sign in the password": f"postgresql://u:a@{CANARY}@h/db",
    "percent sign": f"postgresql://u:{CANARY}%zz@h/db",
    "NUL": f"postgresql://u:{CANARY}%00@h/db",
    "no value": f"postgresql://u@h/db?{CANARY}",
    "two values": f"postgresql://u@h/db?options={CANARY}=1",
    "unknown parameter": f"postgresql://u@h/db?{CANARY}=1",
    "port": f"postgresql://u@h:{CANARY}/db",
    "port's list": f"postgresql://u@a:1,b:{CANARY}/db",
    "bracket": f"postgresql://u@[{CANARY}/db",
    "line break": f"postgresql://u:{CANARY}@h\n/db",
    "scheme": f"mysql://u:{CANARY}@h/db",
}


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
def test_it_reads_as_libpq_reads(url: str) -> None:
    assert parse_url(url) == parse_by_libpq(url)


@pytest.mark.parametrize("url", REFUSED.values(), ids=REFUSED)
def test_it_refuses_and_quotes_nothing(url: str) -> None:
    """No part of the URL is in the error, because each part can belong to a password."""
    with pytest.raises(ConfigurationError) as caught:
        load({"DATABASE_URL": url})
    assert CANARY not in str(caught.value)
    assert "DATABASE_URL: " in str(caught.value)


def test_a_line_break_behind_the_url_is_not_part_of_it() -> None:
    assert parse_url("postgresql://u@h/db\n") == parse_by_libpq("postgresql://u@h/db")


FOREIGN_URLS = {
    "pgbouncer": "postgresql://u:p@h/db?sslmode=require&pgbouncer=true",
    "schema": "postgresql://u:p@h/db?schema=public",
    "prepared_statement_cache_size": "postgresql://u@h/db?prepared_statement_cache_size=0",
    "ssl": "postgresql://u@h/db?ssl=no-verify",
}


@pytest.mark.parametrize(("name", "url"), FOREIGN_URLS.items())
def test_a_known_parameter_of_another_library_is_named(name: str, url: str) -> None:
    with pytest.raises(UrlError, match=f"remove its parameter {name}"):
        parse_url(url)


PIECES = st.sampled_from(
    [*"abz01:@/?#&=+%[],. ", "%40", "%2F", "%25", "é", "host", "port", "password", "options"]
)


@settings(max_examples=3000, deadline=None, database=None, derandomize=True)
@given(st.lists(PIECES, max_size=14).map("".join))
@example("u:1?CANARYPW=x@h/db")
def test_any_text_means_the_same_or_is_refused(text: str) -> None:
    """What libpq refuses may be read here; what both read means the same."""
    url = f"postgresql://{text}"
    try:
        ours = parse_url(url)
    except UrlError:
        return
    theirs = parse_by_libpq(url)
    assert theirs is None or ours == theirs
