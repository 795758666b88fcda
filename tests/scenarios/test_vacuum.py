"""Runs tidy up behind themselves once a day; `segsync vacuum` does it at once; nobody notices."""

from __future__ import annotations

import pytest

from tests.scenarios.company import Company, email, join, people, segment


def prepared(firm: Company) -> None:
    join(firm.newsletter, range(6))
    firm.customers([*people(range(3)), *people(range(3, 6), country="FR")])
    firm.orders([])
    firm.rules(segment("germans", 'country = "DE"'))
    firm.write_config("keep_plans_days = 7\nkeep_history_days = 30\nkeep_lake_days = 1\n")
    firm.later(minutes=10)


def move(firm: Company, day: int) -> None:
    """Somebody moves to Germany or away."""
    firm.customers([*people(range(3 + day % 2)), *people(range(3 + day % 2, 6), country="FR")])
    firm.later(days=5, minutes=1)


def stored(firm: Company) -> dict[str, int]:
    from sqlalchemy import func, select

    from sync.store.tables import metadata

    with firm.open() as workspace, workspace.store.database.reading() as connection:
        names = ("runs", "plans", "batches", "memberships")
        tables = [metadata.tables[name] for name in names]
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables
        ]
        return dict(zip(names, counts, strict=True))


def test_runs_leave_no_more_than_the_days_that_are_kept(
    firm: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.store.vacuum._NEWEST", 1)
    prepared(firm)
    for day in range(8):
        move(firm, day)
        report = firm.run()
        assert report["notices"] == []
    kept = stored(firm)
    assert kept["plans"] == kept["batches"] == 2, "of the last seven days"
    assert kept["memberships"] == 6, "of the last thirty"
    assert kept["runs"] == 7, "and the first one, which the wording of the rule names"
    assert firm.tagged("germans") == {email(n) for n in range(4)}
    answer = firm.segsync("explain", email(3), "germans", "--format", "json")
    assert answer.code == 0, answer.said
    assert firm.segsync("plan", "--exit-code").code == 0


def test_vacuum_at_once_says_what_went(firm: Company) -> None:
    prepared(firm)
    firm.run()
    nothing = firm.segsync("vacuum")
    assert nothing.code == 0, nothing.said
    assert "Nothing was old enough" in nothing.out
    firm.later(days=100)
    swept = firm.segsync("vacuum", "--format", "json")
    assert swept.code == 0, swept.said
    assert swept.document["tasks"] > 0
