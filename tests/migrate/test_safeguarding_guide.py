"""The SQL of docs/safeguarding.md."""

from tests.migrate.job import REVISION, run
from tests.operations_guide import SAFEGUARDING, guides_sql

ROW = """
INSERT INTO feedback (student_id, message, perceived_difficulty, strategy_snapshot, concern,
                      created_at)
VALUES (gen_random_uuid(), '{0}', 'ok', '{{}}', '{0}', now() - interval '{1}')
"""


def test_its_queries_find_concerns_and_what_nobody_assessed(feedback_database: str) -> None:
    for concern in ("none", "unassessed", "abuse", "unheard_of"):
        run(feedback_database, ROW.format(concern, "1 hour"))
        run(feedback_database, ROW.format(concern, "40 days"))

    concerns = run(feedback_database, guides_sql("NOT IN ('none'", SAFEGUARDING))
    assert sorted(message for *_, message in concerns) == ["abuse", "unheard_of"]
    days = run(feedback_database, guides_sql("count(*) FILTER", SAFEGUARDING))
    assert (sum(day[1] for day in days), sum(day[2] for day in days)) == (4, 1)
    unassessed = run(feedback_database, guides_sql("AND concern = 'unassessed'", SAFEGUARDING))
    assert [message for *_, message in unassessed] == ["unassessed"]


def test_its_queries_count_what_a_revision_found(feedback_database: str) -> None:
    run(feedback_database, ROW.format("unassessed", "1 hour"))
    run(feedback_database, REVISION.replace("gen_random_uuid()", "(SELECT id FROM feedback)", 1))
    [day] = run(feedback_database, guides_sql("count(*) FILTER", SAFEGUARDING))
    assert day[1:] == [1, 0]
    assert run(feedback_database, guides_sql("AND concern = 'unassessed'", SAFEGUARDING)) == []
    assert run(feedback_database, guides_sql("NOT IN ('none'", SAFEGUARDING)) == []
    run(feedback_database, "UPDATE strategy_revision SET concern = 'abuse'")
    [found] = run(feedback_database, guides_sql("NOT IN ('none'", SAFEGUARDING))
    assert found[-2:] == ["abuse", "unassessed"]


def test_its_drill_leaves_a_row_with_a_concern(feedback_database: str) -> None:
    run(feedback_database, guides_sql("'drill'", SAFEGUARDING))
    assert run(feedback_database, "SELECT concern, task_id FROM feedback") == [["other", "drill"]]
