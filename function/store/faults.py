"""What errors of PostgreSQL mean for the store, and what a log may tell of them.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from function.store.driver import CONNECTION_ERRORS, DatabaseError

# SQLSTATE classes whose message names roles, databases, tables and states, but no value of a row:
# connection, unsupported feature, foreign key, authorization, catalog, syntax and access,
# resources, operator intervention, system.
QUOTELESS = ("08", "0A", "23503", "25", "28", "3D", "3F", "42", "53", "55", "57", "58")
# Classes about the connection or the server, which may pass: connection, transaction state,
# transaction rollback, resources, locks, operator intervention, system and internal errors.
PASSING = ("08", "25", "40", "53", "55", "57", "58", "F0", "XX")
# Those that leave the connection as good as it was: rollback, resources, lock, time limit, system,
# internal.
OF_THE_STATEMENT = ("40", "53", "55", "57014", "58", "XX")
# Those with which PostgreSQL ends a connection, unless a trigger raised them.
OF_THE_CONNECTION = ("08", "57P")
CANCELED = "57014"
NOT_MIGRATED = ("42P01", "42703", "42704")  # no such table, column, type


def sqlstate(error: BaseException) -> str:
    """The five characters of PostgreSQL's error code, or "" for any other error."""
    if isinstance(error, DatabaseError) and error.args and isinstance(error.args[0], dict):
        return str(error.args[0].get("C", ""))
    return ""


def is_refusal(error: BaseException) -> bool:
    """Whether PostgreSQL refused the statement itself, so that repeating it is pointless."""
    return isinstance(error, DatabaseError) and not sqlstate(error).startswith(PASSING)


def is_bug(error: BaseException) -> bool:
    """Whether the function failed, maybe on a row that somebody changed, and not PostgreSQL."""
    return not isinstance(error, (DatabaseError, *CONNECTION_ERRORS))


def is_loss(error: BaseException) -> bool:
    """Whether the connection ended, which says nothing about the statement."""
    if sqlstate(error).startswith(OF_THE_CONNECTION):
        return bool(error.args[0].get("V") != "ERROR")
    return isinstance(error, CONNECTION_ERRORS) and not isinstance(error, TimeoutError)


def is_of_statement(error: BaseException) -> bool:
    """Whether the connection is as good as it was."""
    state = sqlstate(error)
    return state.startswith(OF_THE_STATEMENT) or (
        state.startswith(OF_THE_CONNECTION) and not is_loss(error)
    )


def describe(error: BaseException) -> str:
    """Say what went wrong, for a log, without any value of a row.

    PostgreSQL's text can quote the row (DETAIL always does, and a trigger's text may), and so can
    the text of a bug. Only the text of errors that are not about data is told.
    """
    if isinstance(error, CONNECTION_ERRORS):
        if isinstance(error.__cause__, OSError):  # pg8000 says "network error" for all of them
            error = error.__cause__
        return f"{type(error).__name__}: {error}"
    state = sqlstate(error)
    if state.startswith(QUOTELESS) and "W" not in error.args[0]:  # where in a function it was
        hint = ": run the migrate job" if state in NOT_MIGRATED else ""
        return f"SQLSTATE {state}: {error.args[0].get('M')}{hint}"
    return f"SQLSTATE {state}" if state else type(error).__name__
