"""`make run` serves what the files say, whatever happens to them, until Ctrl-C."""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
from pg8000.native import Connection

from dev import paths
from tests.conftest import open_connection
from tests.instance import Answer
from tests.run.clone import Run
from tests.waiting import wait_until

ALIVE = '"/health/liveness": ("GET", _say("ok"))'
BROKEN = ALIVE.removesuffix("))")
BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'relation'"


def database(run: Run) -> Connection:
    [url] = re.findall(r"The database +(\S+)", run.log)
    return open_connection(url)


def server(run: Run) -> list[psutil.Process]:
    """The main process of its PostgreSQL."""
    data = paths.data_folder(run.clone / ".data") / "cluster"
    return [
        process
        for process in psutil.process_iter()
        if process.name() == "postgres" and works_in(process, data)
    ][:1]


def health(run: Run) -> str:
    return str(run.get("/health/liveness").json()["status"])


@contextmanager
def blocked_request(run: Run) -> Iterator[tuple[Connection, Future[Answer]]]:
    """A request whose row waits until the connection lets go of the table."""
    with closing(database(run)) as connection, closing(database(run)) as observer:
        connection.run("BEGIN")
        connection.run("LOCK TABLE feedback IN SHARE MODE")
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(run.post)
            wait_until(lambda: observer.run(BLOCKED) == [[1]])
            yield connection, answer


def test_an_edit_is_served_by_a_new_process_with_the_same_postgresql(run: Run) -> None:
    before = server(run)

    run.edit("function/http/handler.py", ALIVE, ALIVE.replace("ok", "edited"))

    run.until_said("The function is ready again.")
    assert health(run) == "edited"
    assert server(run) == before
    assert "Changed: function/http/handler.py. Restarting ..." in run.log


def test_a_broken_edit_is_waited_out(run: Run) -> None:
    run.edit("function/http/handler.py", ALIVE, BROKEN)
    run.until_said("It starts again when you change its files.")
    assert "SyntaxError" in run.log

    run.edit("function/http/handler.py", BROKEN, ALIVE.replace("ok", "repaired"))

    run.until_said("The function is ready again.")
    assert health(run) == "repaired"


def test_two_edits_in_one_second_are_both_served(run: Run) -> None:
    run.edit("function/http/handler.py", ALIVE, ALIVE.replace("ok", "o1"))
    run.until_said("The function is ready again.")
    run.edit("function/http/handler.py", ALIVE.replace("ok", "o1"), ALIVE.replace("ok", "o2"))
    run.until_said("The function is ready again.", times=2)
    assert health(run) == "o2"


def test_requests_under_way_are_answered_before_the_restart(run: Run) -> None:
    with blocked_request(run) as (connection, answer):
        run.edit("function/http/handler.py", ALIVE, ALIVE.replace("ok", "edited"))
        run.until_said("Restarting ...")
        connection.run("ROLLBACK")
        assert answer.result().status == 200
    run.until_said("The function is ready again.")
    assert health(run) == "edited"


def test_ctrl_c_ends_all_while_a_restart_waits_for_a_request(run: Run) -> None:
    with blocked_request(run) as (_, answer):
        run.edit("function/http/handler.py", ALIVE, ALIVE.replace("ok", "edited"))
        run.until_said("Restarting ...")
        assert run.interrupt() == 0
        answer.exception()
    assert_nothing_is_left(run)


def test_ctrl_c_ends_all_while_an_edit_is_broken(run: Run) -> None:
    run.edit("function/http/handler.py", ALIVE, BROKEN)
    run.until_said("It starts again when you change its files.")
    assert run.interrupt() == 0
    assert_nothing_is_left(run)


def assert_nothing_is_left(run: Run) -> None:
    assert run.log.endswith("Stopped.\n")
    assert server(run) == []
    assert left_in(run.clone) == []


def left_in(folder: Path) -> list[psutil.Process]:
    """The processes that work there."""
    return [process for process in psutil.process_iter() if works_in(process, folder)]


def works_in(process: psutil.Process, folder: Path) -> bool:
    try:
        return process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def test_kill_9_leaves_no_process(run: Run) -> None:
    run.process.kill()
    wait_until(lambda: server(run) == [] and left_in(run.clone) == [])


def test_a_changed_schema_is_applied_when_it_can_be(run: Run) -> None:
    before = (run.clone / "schema.sql").read_text()
    run.write("schema.sql", f"{before}-- Step: extra\nCREATE TABL public.extra ();\n")
    run.until_said("schema.sql is not applied, see above.")
    run.until_said("The function is ready again.")

    run.write("schema.sql", f"{before}-- Step: extra\nCREATE TABLE public.extra ();\n")

    run.until_said("The function is ready again.", times=2)
    with closing(database(run)) as connection:
        assert connection.run("SELECT count(*) FROM public.extra") == [[0]]


def test_a_function_that_ends_by_itself_ends_make_run(run: Run) -> None:
    [function] = [
        child
        for child in psutil.Process(run.process.pid).children()
        if "functions-framework" in " ".join(child.cmdline())
    ]
    function.terminate()
    assert run.process.wait(60) == 1
    assert "The function ended by itself, with exit code 0." in run.log
