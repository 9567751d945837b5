"""Reports of the made-up school year, and of groups that are too small to tell of."""

import csv
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from uuid import UUID

import pytest

from dev import demo
from dev.http_server import Request, serving
from function.store import erasure
from insights.options import parse
from tests.conftest import open_connection, select
from tests.insights.conftest import Rows
from tests.instance import ROOT

pytestmark = pytest.mark.insights

LANGUAGES: dict[str, dict[str, str]] = json.loads(
    (ROOT / "insights/languages.json").read_text(encoding="utf-8")
)
WEEK = f"--from={demo.BROKEN_WEEK}"
Report = Callable[..., str]


def run(url: str, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "insights", *arguments],
        cwd=ROOT,
        env={"DATABASE_URL": url, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def report(year: str) -> Report:
    def write(*arguments: str) -> str:
        done = run(year, "report", WEEK, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return write


def test_the_broken_task_is_on_top(report: Report) -> None:
    found = json.loads(report("--format=json"))
    hardest = found["tasks"][0]
    assert hardest["name"] == demo.BROKEN_TASK
    assert hardest["hard_share"]["low"] > max(
        task["hard_share"]["value"] for task in found["tasks"][1:]
    )


def test_a_report_counts_what_the_rows_say(report: Report, year: str) -> None:
    with closing(open_connection(year)) as connection:
        [row] = select(
            connection,
            """
            SELECT count(*) AS answers,
                   count(*) FILTER (WHERE perceived_difficulty = 'hard') AS hard
            FROM feedback
            WHERE (created_at AT TIME ZONE 'Europe/Berlin')::date BETWEEN :first AND :last
            """,
            first=demo.BROKEN_WEEK,
            last=demo.BROKEN_WEEK + timedelta(days=6),
        )
    found = json.loads(report("--format=json"))
    assert (found["total"]["answers"], found["total"]["hard"]) == (row["answers"], row["hard"])
    assert sum(task["answers"] for task in found["tasks"]) == row["answers"]
    lines = list(csv.DictReader(report("--format=csv").splitlines()))
    assert [int(line["answers"]) for line in lines if line["section"] == "task"] == [
        task["answers"] for task in found["tasks"]
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_whole(report: Report, language: str) -> None:
    page = report(f"--language={language}")
    reader = Reader()
    reader.feed(page)
    assert not reader.open
    assert reader.images == 3
    assert all(alternative for alternative in reader.alternatives)
    assert not reader.addresses  # it needs nothing from elsewhere
    assert f'lang="{language}"' in page
    assert "{" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    assert page.count("<table>") == 4  # one beside each chart, and the moods


def test_no_student_and_no_message_is_in_a_report(report: Report) -> None:
    for arguments in (["--format=json"], ["--format=csv"], []):
        text = report(*arguments)
        assert not any(words in text for words in (demo.BROKEN_WORDS, *demo.WORDS.values()))
        assert not any(str(UUID(int=student)) in text for student in range(1, 105))


def test_quotes_are_there_if_they_are_asked_for(report: Report) -> None:
    page = report("--quotes")
    assert page.count('<blockquote dir="auto">') == 15  # each language in its direction
    assert "The answer that it wants can&#39;t be right" in page


def test_a_small_group_is_hidden(rows: Rows, feedback_database: str) -> None:
    for student in range(1, 7):
        rows.add("2026-03-03T09:00:00Z", student=student, task="six")
    for student in range(1, 5):
        rows.add("2026-03-04T09:00:00Z", student=student, task="four", concern="abuse")
    for _ in range(9):
        rows.add("2026-03-05T09:00:00Z", student=1, task="nine of one", topics=())
    for student in range(1, 6):
        rows.add("2026-03-06T09:00:00Z", student=student, task="five")

    found = json.loads(run(feedback_database, "report", WEEK, "--format=json").stdout)
    assert [task["name"] for task in found["tasks"]] == ["six"]
    assert found["hidden_tasks"] == 3
    assert found["concerns"] == "1 to 4"
    page = run(feedback_database, "report", WEEK).stdout
    assert "four" not in page
    assert "1 to 4 messages tell of a danger" in page


def test_small_groups_are_not_what_the_others_leave(rows: Rows, feedback_database: str) -> None:
    """The same three students are in both small groups."""
    for student in range(1, 8):
        rows.add("2026-03-03T09:00:00Z", student=student, task="seven", topics=())
        rows.add("2026-03-03T09:00:00Z", student=student % 6, task="six", topics=())
        rows.add("2026-03-03T09:00:00Z", student=student % 3, task=f"small {student % 2}")
    found = json.loads(run(feedback_database, "report", WEEK, "--format=json").stdout)
    assert [task["name"] for task in found["tasks"]] == ["seven"]
    assert found["hidden_tasks"] == 3


def test_an_erased_student_is_not_what_the_tasks_leave(rows: Rows, feedback_database: str) -> None:
    for student in range(1, 9):
        rows.add("2026-03-03T09:00:00Z", student=student, task="seven")
        rows.add("2026-03-03T09:00:00Z", student=student % 6, task="six")
    for _ in erasure.erase(rows.connection, UUID(int=8), {"fractions"}):
        pass
    found = json.loads(run(feedback_database, "report", WEEK, "--format=json").stdout)
    assert found["total"]["answers"] == 16
    assert [task["name"] for task in found["tasks"]] == ["seven"]


def test_a_change_does_not_tell_of_a_group_that_was_hidden(
    rows: Rows, feedback_database: str
) -> None:
    for day in ("2026-02-24", "2026-03-03"):
        for student in range(1, 8):
            rows.add(f"{day}T09:00:00Z", student=student, task="seven", topics=())
            rows.add(f"{day}T09:00:00Z", student=student % 6, task="six", topics=())
    rows.add("2026-02-24T09:00:00Z", task="one", topics=())
    found = json.loads(run(feedback_database, "report", WEEK, "--format=json").stdout)
    assert {task["name"]: task["change"] is None for task in found["tasks"]} == {
        "seven": False,
        "six": True,
    }


def test_numbers_of_a_small_period_are_hidden(rows: Rows, feedback_database: str) -> None:
    for student in range(1, 5):
        rows.add("2026-03-03T09:00:00Z", student=student, sentiment="anxious", analyzed=False)
    found = json.loads(run(feedback_database, "report", WEEK, "--format=json").stdout)
    assert (found["total"], found["moods"], found["unanalyzed"]) == (None, {}, 0)


def test_a_period_without_answers_says_so(feedback_database: str, rows: Rows) -> None:
    del rows  # only its views are needed
    done = run(feedback_database, "report", "--period=month")
    assert done.returncode == 0, done.stderr
    page = done.stdout
    assert "No day of this period has answers of at least 5 students" in page


def test_names_of_tasks_are_no_code(rows: Rows, feedback_database: str) -> None:
    for student in range(1, 7):
        rows.add("2026-03-03T09:00:00Z", student=student, task="<script>alert(1)</script>")
        rows.add("2026-03-03T09:00:00Z", student=student, task="=HYPERLINK(1)", topics=("$x^{",))
    page = run(feedback_database, "report", WEEK).stdout
    assert "<script" not in page
    lines = csv.DictReader(
        run(feedback_database, "report", WEEK, "--format=csv").stdout.splitlines()
    )
    assert "'=HYPERLINK(1)" in {line["name"] for line in lines}


def test_it_writes_a_file_with_the_first_day_in_its_name(year: str, tmp_path: Path) -> None:
    place = f"file://{tmp_path}/week-{{start}}.csv"
    done = run(year, "report", WEEK, "--format=csv", f"--output={place}")
    assert (done.returncode, done.stdout) == (0, "")
    [file] = tmp_path.iterdir()
    assert file.name == f"week-{demo.BROKEN_WEEK}.csv"
    assert file.read_text().startswith("section,period,name")


def test_it_writes_to_an_object_store(year: str) -> None:
    """The server takes the requests of S3's API, and checks no signature."""
    with s3_server() as (address, objects):
        done = upload(year, address)
    assert done.returncode == 0, done.stderr
    assert objects[f"/reports/{demo.BROKEN_WEEK}.csv"].startswith(b"section,period,name")


@pytest.mark.parametrize("status", [403, 404])
def test_an_object_store_that_refuses_is_told_in_one_line(year: str, status: int) -> None:
    with serving(lambda request: request.answer(status)) as port:
        done = upload(year, f"http://127.0.0.1:{port}")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("--output: ")
    assert str(status) in line


def upload(url: str, address: str) -> "subprocess.CompletedProcess[str]":
    """Write a report to the object store with this address."""
    return run(
        url,
        *("report", WEEK, "--format=csv", "--output=s3://reports/{start}.csv"),
        AWS_ENDPOINT_URL=address,
        AWS_ALLOW_HTTP="true",
        AWS_ACCESS_KEY_ID="key",
        AWS_SECRET_ACCESS_KEY="secret",
        AWS_REGION="eu-central-1",
    )


@contextmanager
def s3_server() -> Iterator[tuple[str, dict[str, bytes]]]:
    """The address of a server, and what was uploaded to it, by path."""
    objects: dict[str, bytes] = {}

    def put(request: Request) -> None:
        assert request.command == "PUT"
        objects[request.path.partition("?")[0]] = request.body()
        request.answer(headers={"ETag": '"1"'})

    with serving(put) as port:
        yield f"http://127.0.0.1:{port}", objects


@pytest.mark.parametrize(
    ("option", "code", "said"),
    [
        ("--from=0001-01-01", 2, "--from: must be from 1900 to 2999"),
        ("--from=9999-12-31", 2, "--from: must be from 1900 to 2999"),
        ("--from=yesterday", 2, "--from: must be a date"),
        ("--output=nowhere://report", 2, "--output: Protocol not known: nowhere"),
        ("--output=/proc/report", 1, "No such file or directory"),
        (
            "--output=abfs://reports/week.csv",
            1,
            "--output: Generic MicrosoftAzure error: Account must",
        ),
        ("--output=s3://", 1, '--output: Generic URL error: Unable to recognise URL "s3://"'),
        ("--output=gs:///week.csv", 1, "--output: Generic URL error: Unable to recognise URL"),
    ],
)
def test_wrong_options_are_told(year: str, option: str, code: int, said: str) -> None:
    done = run(year, "report", "--format=csv", option)
    assert done.returncode == code
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_server_may_write_dates_in_its_own_way(year: str) -> None:
    german = {"PGOPTIONS": "-c DateStyle=German"}
    for arguments in ([WEEK], ["--period=month"]):
        command = ("report", "--format=csv", *arguments)
        assert run(year, *command, **german).stdout == run(year, *command).stdout != ""


def test_the_page_is_utf_8_wherever_it_goes(year: str) -> None:
    arguments = [sys.executable, "-m", "insights", "report", WEEK, "--language=de"]
    environ = {"DATABASE_URL": year, "PYTHONIOENCODING": "latin-1"}
    page = subprocess.check_output(arguments, cwd=ROOT, env=environ)
    assert "Schülerinnen" in page.decode()


def test_another_time_zone_than_that_of_the_views_is_refused(year: str) -> None:
    done = run(year, "report", "--timezone=America/New_York")
    assert done.returncode == 2
    assert "python -m insights apply --timezone America/New_York" in done.stderr


def test_without_views_it_says_what_to_do(feedback_database: str) -> None:
    done = run(feedback_database, "report")
    assert done.returncode == 1
    assert "python -m insights apply" in done.stderr


@pytest.mark.parametrize("period", ["week", "month"])
def test_with_views_of_an_older_version_it_says_what_to_do(
    rows: Rows, feedback_database: str, period: str
) -> None:
    rows.connection.run(f"ALTER VIEW insights.{period}ly RENAME COLUMN unread TO unknown")
    done = run(feedback_database, "report", f"--period={period}")
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.endswith("First run: python -m insights apply")


def test_an_unknown_time_zone_is_told(year: str) -> None:
    done = run(year, "apply", "--timezone=europe/berlin")
    assert done.returncode == 1
    assert "there is no time zone europe/berlin. Use a name from pg_timezone_names" in done.stderr


def test_a_view_of_somebody_else_is_named(rows: Rows, feedback_database: str) -> None:
    rows.connection.run("CREATE VIEW mine AS SELECT * FROM insights.weekly")
    done = run(feedback_database, "apply")
    assert done.returncode == 1
    assert "view public.mine depends on view insights.weekly" in done.stderr


def test_without_tables_it_says_what_to_do(database: str) -> None:
    done = run(database, "apply")
    assert done.returncode == 1
    assert "run the migrate job" in done.stderr
    assert "First run" not in done.stderr


def test_the_guide_shows_commands_and_sql_that_work(year: str) -> None:
    guide = (ROOT / "docs/insights.md").read_text(encoding="utf-8")
    commands = re.findall(r"\n[^`\n]*python -m insights (.+)", guide)
    assert {parse(shlex.split(command)).command for command in commands} == {
        *("apply", "roll-up", "report"),
    }
    [sql] = [it for it in re.findall(r"```sql\n(.*?)```", guide, re.DOTALL) if "SELECT" in it]
    with closing(open_connection(year)) as connection:
        connection.run("SET SESSION AUTHORIZATION mentor_reader")
        assert select(connection, sql)[0]["name"] == demo.BROKEN_TASK


def test_each_language_has_all_texts() -> None:
    def fields(language: str) -> dict[str, set[str | None]]:
        texts = LANGUAGES[language].items()
        return {
            name: {part[1] for part in Formatter().parse(text)} - {None} for name, text in texts
        }

    assert fields("de") == fields("en")


class Reader(HTMLParser):
    """Checks that tags are closed, and collects what a page needs."""

    VOID = frozenset({"meta", "img", "source", "link", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images = 0
        self.alternatives: list[str | None] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "img":
            self.images += 1
            self.alternatives.append(given.get("alt"))
        for name in ("src", "srcset", "href"):
            if name in given and not str(given[name]).startswith("data:"):
                self.addresses.append(str(given[name]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
