"""The configuration is read whole, and every problem is named."""

import re
from pathlib import Path

import pytest

from function.settings import ConfigurationError, load
from tests.instance import ROOT

URL = "postgresql://mentor:s3cret@db.example:5433/mathtrail"


def problems(**environ: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(environ)
    return str(caught.value).splitlines()


def test_a_url_alone_is_a_configuration() -> None:
    settings = load({"DATABASE_URL": URL})
    postgres = settings.postgres
    assert (postgres.hosts, postgres.database) == ((("db.example", 5433),), "mathtrail")
    assert (postgres.user, postgres.password, postgres.sslmode) == ("mentor", "s3cret", "prefer")
    assert (settings.port, settings.log_level, settings.docs) == (8080, "INFO", True)


def test_libpqs_variables_are_a_configuration_too() -> None:
    postgres = load({"PGHOST": "db", "PGUSER": "mentor", "PGDATABASE": "m"}).postgres
    assert (postgres.hosts, postgres.database) == ((("db", 5432),), "m")


def test_the_url_wins_over_libpqs_variables_but_only_where_it_says_something() -> None:
    environ = {"DATABASE_URL": "postgresql://db/m", "PGHOST": "other", "PGUSER": "mentor"}
    postgres = load(environ).postgres
    assert (postgres.address, postgres.user) == ("db:5432", "mentor")


def test_a_url_is_percent_decoded_and_its_query_read() -> None:
    url = "postgres://a%40b:p%2Fw@[::1]/m%20t?sslmode=require&application_name=mentor&user=c"
    postgres = load({"DATABASE_URL": url}).postgres
    assert (postgres.address, postgres.user, postgres.password) == ("::1:5432", "c", "p/w")
    assert (postgres.database, postgres.sslmode) == ("m t", "require")
    assert postgres.application_name == "mentor"


def test_the_server_of_profiles() -> None:
    settings = load({"DATABASE_URL": URL, "PYROSCOPE_SERVER_ADDRESS": "http://pyroscope:4040"})
    assert settings.profiles
    assert settings.profiles.application == "mentor-function"
    [problem] = problems(DATABASE_URL=URL, PYROSCOPE_SERVER_ADDRESS="pyroscope:4040")
    assert problem.startswith("PYROSCOPE_SERVER_ADDRESS")


def test_a_socket_folder_is_a_host() -> None:
    settings = load({"DATABASE_URL": "postgresql://u@/m?host=/run/pg"})
    assert settings.postgres.hosts == (("/run/pg", 5432),)


def test_the_file_of_a_user_is_enough(tmp_path: Path) -> None:
    environ = {"PGHOST": "db", "PG_CREDENTIALS_DIR": str(tmp_path)}
    assert load(environ).postgres.credentials_dir == tmp_path


def test_nothing_set_names_all_that_is_missing() -> None:
    assert problems() == [
        "DATABASE_URL or PGHOST: neither names a host of PostgreSQL",
        "PGUSER: missing; set it, a user in DATABASE_URL, or PG_CREDENTIALS_DIR",
    ]


def test_every_wrong_variable_is_named_at_once() -> None:
    found = problems(
        DATABASE_URL="postgresql://u@/m?host=a,b&sslmode=verify-full&service=x",
        PGPORT="99999",
        PGCONNECT_TIMEOUT="-1",
        PGSSLCERT="/nowhere",
        PORT="http",
        LOG_LEVEL="LOUD",
        DOCS="maybe",
        DATABASE_TIMEOUT="nan",
        MIGRATE_TIMEOUT="1e9",
    )
    named = [line.split(":")[0] for line in found]
    assert named == [
        "PGPORT",
        "PGPORT",
        "PGSSLCERT",
        "PGCONNECT_TIMEOUT",
        "PGSERVICE",
        "PGSSLROOTCERT",
        "DATABASE_TIMEOUT",
        "MIGRATE_TIMEOUT",
        "PORT",
        "LOG_LEVEL",
        "DOCS",
    ]


@pytest.mark.parametrize("url", ["mysql://u@h/d", "postgresql://u@h:port/d", "h", "postgresql://["])
def test_what_is_no_url_of_postgresql_is_one_problem(url: str) -> None:
    assert [line.split(":")[0] for line in problems(DATABASE_URL=url)] == ["DATABASE_URL"]


@pytest.mark.parametrize("mark", ["/", "@", "%"])
def test_a_password_that_is_not_encoded_is_explained(mark: str) -> None:
    [problem] = problems(DATABASE_URL=f"postgresql://u:s3{mark}cret@h/d")
    assert "percent-encode" in problem or "write %25" in problem
    assert "cret" not in problem


@pytest.mark.parametrize("host", ["db..example", ".example", "x" * 64])
def test_what_can_be_no_name_of_a_host_is_a_problem(host: str) -> None:
    [problem] = problems(DATABASE_URL=f"postgresql://u@{host}/d")
    assert problem.startswith("PGHOST: not a valid name of a host")


@pytest.mark.parametrize("file", ["", "nowhere"])
def test_a_certificate_is_an_existing_file(tmp_path: Path, file: str) -> None:
    query = f"sslmode=verify-full&sslrootcert={tmp_path / file}"
    assert problems(DATABASE_URL=f"{URL}?{query}") == ["PGSSLROOTCERT: must be an existing file"]


@pytest.mark.parametrize("name", ["PGSSLROOTCERT", "PG_CREDENTIALS_DIR"])
def test_the_text_of_a_certificate_is_no_file(name: str) -> None:
    [problem] = problems(DATABASE_URL=URL, **{name: "-----BEGIN CERTIFICATE-----" + "x" * 5000})
    assert problem.startswith(f"{name}: ")
    assert "CERTIFICATE" not in problem


def test_no_problem_quotes_a_password() -> None:
    assert "s3cret" not in "".join(problems(DATABASE_URL=f"{URL}?sslmode=x&s3=1", PORT="s"))
    assert "s3cret" not in repr(load({"DATABASE_URL": URL}))


def test_a_key_without_its_certificate_is_a_problem(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch()
    assert problems(DATABASE_URL=URL, PGSSLKEY=str(key)) == [
        "PGSSLCERT: missing, and PGSSLKEY needs it"
    ]


def test_a_list_of_hosts_has_one_port_for_all_or_one_for_each() -> None:
    one = load({"PGHOST": "a,b", "PGPORT": "5433", "PGUSER": "u"}).postgres
    assert one.hosts == (("a", 5433), ("b", 5433))
    each = load({"DATABASE_URL": "postgresql://u@a:1,b,c:3/m"}).postgres
    assert each.hosts == (("a", 1), ("b", 5432), ("c", 3))
    assert problems(PGHOST="a,b,c", PGPORT="1,2", PGUSER="u") == [
        "PGPORT: must be one port, or one for each host"
    ]


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("sslrootcert=system&sslmode=require", "PGSSLMODE"),
        ("sslnegotiation=direct", "PGSSLMODE"),
        ("sslmode=verify-full", "PGSSLROOTCERT"),
        ("sslcrl=x", "PGSSLCRL"),
        ("gssencmode=require", "PGGSSENCMODE"),
        ("channel_binding=always", "PGCHANNELBINDING"),
        ("sslpassword=x", "PGSSLPASSWORD"),
        ("min_protocol_version=3.2", "PGMINPROTOCOLVERSION"),
    ],
)
def test_what_would_be_less_safe_than_asked_for_is_a_problem(query: str, wrong: str) -> None:
    assert [line.split(":")[0] for line in problems(DATABASE_URL=f"{URL}?{query}")] == [wrong]


def test_the_systems_roots_verify_in_full() -> None:
    postgres = load({"DATABASE_URL": f"{URL}?sslrootcert=system&gssencmode=disable"}).postgres
    assert (postgres.sslrootcert, postgres.sslmode) == ("system", "verify-full")


@pytest.mark.parametrize("name", ["PGSERVICE", "PGHOSTADDR", "PGREQUIREAUTH", "PGSSLCRL"])
def test_a_variable_of_libpq_that_is_not_supported_is_named(name: str) -> None:
    """It would change which server is reached, or how safely."""
    [problem] = problems(DATABASE_URL=URL, **{name: "x"})
    assert problem.startswith(f"{name}: not supported")


TABLES = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
# What a model needs beside the defaults.
MODEL = {"LLM_MODEL": "m", "LLM_API_KEY": "k"}


def documented_defaults() -> list[tuple[str, str]]:
    """The variables of docs/configuration.md that have a default, with each of their defaults."""
    rows = re.findall(r"^\| `([A-Z_]+)`.*? \| (`.*?`) \| ", TABLES, re.MULTILINE)
    return [(name, value) for name, cell in rows for value in re.findall(r"`(.*?)`", cell)]


@pytest.mark.parametrize(("name", "value"), documented_defaults())
def test_a_documented_default_written_out_changes_nothing(name: str, value: str) -> None:
    environ = {"DATABASE_URL": URL}
    if name.startswith("LLM_") and name != "LLM_PROVIDER":
        provider = "anthropic" if "anthropic" in value else "openai"
        environ |= {**MODEL, "LLM_PROVIDER": provider}
    assert load({**environ, name: value}) == load(environ)


def test_every_documented_default_is_tried() -> None:
    names = [name for name, _ in documented_defaults()]
    assert len(names) == 22
    assert {"PGSSLMODE", "DATABASE_TIMEOUT", "LLM_BASE_URL", "SHUTDOWN_DELAY", "DOCS"} < {*names}


AUTH = {
    "AUTH_JWKS_URL": "https://issuer.example/keys",
    "AUTH_ISSUER": "https://issuer.example",
    "AUTH_AUDIENCE": "mentor",
}


def test_callers_origins_and_rates_are_free_of_rules_by_default() -> None:
    settings = load({"DATABASE_URL": URL})
    assert (settings.tokens, settings.cors_origins, settings.rate_limit) == (None, (), None)


def test_an_issuer_and_who_is_trusted() -> None:
    trusted = {"AUTH_TRUSTED_SUBJECTS": "a:b:c, d\n", "AUTH_TRUSTED_SCOPE": "feedback:any"}
    tokens = load({"DATABASE_URL": URL, **AUTH, **trusted}).tokens
    assert tokens is not None
    assert (tokens.student_claim, tokens.trusted_subjects) == ("sub", ("a:b:c", "d"))
    assert tokens.trusted_scope == "feedback:any"


@pytest.mark.parametrize("name", [*AUTH, "AUTH_TRUSTED_SUBJECTS", "AUTH_TRUSTED_SCOPE"])
def test_half_a_configuration_of_callers_is_a_problem(name: str) -> None:
    """Or callers that should be checked would not be."""
    found = problems(DATABASE_URL=URL, **{name: AUTH.get(name, "x")})
    assert [line.split(":")[0] for line in found] == [one for one in AUTH if one != name]


@pytest.mark.parametrize(
    "url",
    [
        *("http://issuer.example/keys", "http://10.0.0.1/keys", "http://localhost.example/k"),
        *("https://", "https://u:p@issuer.example/keys", "file:///etc/keys", "https://h:0/keys"),
        *("https://h/k#x", "https://h/a b", "issuer.example/keys", "https://[/keys", "https://h:x"),
    ],
)
def test_keys_come_from_where_nobody_can_replace_them(url: str) -> None:
    [problem] = problems(DATABASE_URL=URL, **{**AUTH, "AUTH_JWKS_URL": url})
    assert problem.startswith("AUTH_JWKS_URL: must be https://")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3:8080", "[::1]:8080"])
def test_keys_may_come_in_clear_from_this_machine(host: str) -> None:
    url = f"http://{host}/keys?tenant=1"
    tokens = load({"DATABASE_URL": URL, **AUTH, "AUTH_JWKS_URL": url}).tokens
    assert tokens is not None
    assert tokens.jwks_url == url


GUIDE = (ROOT / "docs/security.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("example", re.findall(r"```sh\n(AUTH_.*?)\n```", GUIDE, re.DOTALL))
def test_the_examples_of_the_guide_are_configurations(example: str) -> None:
    environ = dict(line.split("=", 1) for line in example.splitlines())
    assert environ.keys() >= AUTH.keys()
    assert load({"DATABASE_URL": URL, **environ}).tokens is not None


@pytest.mark.parametrize("example", re.findall(r"`((?:RATE_LIMIT|CORS_ORIGINS)=.*?)`", GUIDE))
def test_so_are_its_limit_and_its_origins(example: str) -> None:
    name, value = example.split("=", 1)
    assert load({"DATABASE_URL": URL, name: value}) != load({"DATABASE_URL": URL})


def test_origins_are_listed_as_browsers_send_them() -> None:
    text = "https://App.example:443 http://localhost:5173,\nhttp://[::1]:80"
    origins = load({"DATABASE_URL": URL, "CORS_ORIGINS": text}).cors_origins
    assert origins == ("https://app.example", "http://localhost:5173", "http://[::1]")


@pytest.mark.parametrize(
    "origin",
    [
        *("*", "null", "https://*.example", "https://app.example/", "app.example", "file://"),
        *("https://app.example/x", "https://app.example?x", "https://u@app.example", "https://é.x"),
    ],
)
def test_what_is_no_origin_is_a_problem(origin: str) -> None:
    [problem] = problems(DATABASE_URL=URL, CORS_ORIGINS=f"https://app.example, {origin}")
    assert problem.startswith("CORS_ORIGINS: must be")


@pytest.mark.parametrize(
    ("text", "rate"), [("1/s", (1, 1)), ("30/m", (30, 60)), ("9/h", (9, 3600))]
)
def test_a_rate_is_a_number_and_a_unit(text: str, rate: tuple[int, int]) -> None:
    assert load({"DATABASE_URL": URL, "RATE_LIMIT": text}).rate_limit == rate


@pytest.mark.parametrize("text", ["30", "0/m", "-1/m", "1.5/m", "30/d", "30 / m", "٣/m", "1/m\n"])
def test_what_is_no_rate_is_a_problem(text: str) -> None:
    assert problems(DATABASE_URL=URL, RATE_LIMIT=text) == [
        "RATE_LIMIT: must be a number per s, m or h, like 30/m"
    ]


@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "https://api.openai.com/v1/"])
def test_a_providers_own_address_needs_a_key_also_when_it_is_written_out(url: str) -> None:
    environ = {"DATABASE_URL": URL, "LLM_PROVIDER": "openai", "LLM_MODEL": "m"}
    [problem] = problems(**environ, LLM_BASE_URL=url)
    assert problem.startswith("LLM_API_KEY: missing")


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load({"DATABASE_URL": URL, "PORT": "", "DOCS": ""}).port == 8080
