"""A run may pull some sources and plan some segments; everything else stays as it is, and is still right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.errors import UserError
from sync.run.decisions import approve
from sync.run.pipeline import run
from sync.store import PlanState, Scope
from tests.scenarios.company import Company, company, emails, join, people, segment


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    """A company with two newsletters, each of them with everybody."""
    with company(tmp_path, monkeypatch, newsletters=("newsletter", "second")) as made:
        made.orders([])
        for newsletter in made.newsletters.values():
            join(newsletter, range(1, 11))
        made.customers([*people(range(1, 6)), *people(range(6, 11), country="FR")])
        made.rules(
            segment("germans", 'country = "DE"')
            + segment("french", 'country = "FR"', to='["second"]')
            + segment("others", 'not in segment "germans"', to='["second"]')
        )
        yield made


def test_only_the_audiences_of_the_scope_are_filled_but_all_rules_are_evaluated(two: Company) -> None:
    with two.open() as workspace:
        report = run(workspace, scope=Scope.of(segments=["others"]))
    assert report.segments == {"germans": 5, "french": 5, "others": 5}
    assert two.tagged("others", on="second") == emails(range(6, 11))
    assert two.newsletter.traffic.writes == 0
    assert two.tagged("french", on="second") == set()
    two.run()
    assert two.tagged("germans") == emails(range(1, 6))
    assert two.tagged("french", on="second") == emails(range(6, 11))


def test_only_the_sources_of_the_scope_are_read(two: Company) -> None:
    two.run()
    for newsletter in two.newsletters.values():
        newsletter.traffic.reset()
    two.customers(people(range(1, 11)))
    with two.open() as workspace:
        report = run(workspace, scope=Scope.of(sources=["shop"], segments=[]))
    assert report.connections["shop"].read == 10
    assert two.newsletter.traffic.reads == two.newsletters["second"].traffic.reads == 0
    assert report.plan_id is None


def test_a_scope_may_plan_without_sending(two: Company) -> None:
    with two.open() as workspace:
        report = run(workspace, scope=Scope.of(segments=["germans"], push=False))
        assert report.plan_id is not None
        assert workspace.store.plans.get(report.plan_id).state is PlanState.OPEN
    assert two.newsletter.traffic.writes == 0
    assert two.segsync("apply").code == 0
    assert two.tagged("germans") == emails(range(1, 6))
    assert two.newsletters["second"].traffic.writes == 0, "the plan was about one segment only"


def test_an_approval_of_a_scoped_plan_looks_at_its_own_audiences_again(two: Company) -> None:
    two.run()
    two.customers(people(range(1, 11)))  # nobody is French, and nobody is another
    with two.open() as workspace:
        french = run(workspace, scope=Scope.of(segments=["french"]))
        others = run(workspace, scope=Scope.of(segments=["others"]))
        assert french.held == others.held == 5
        for plan in (french.plan_id, others.plan_id):
            assert plan is not None
            assert workspace.store.plans.get(plan).state is PlanState.HELD
        assert others.plan_id is not None
        assert approve(workspace, others.plan_id, by="tester").held == 0
    assert two.tagged("others", on="second") == set()
    assert two.tagged("french", on="second") == emails(range(6, 11)), "that plan still waits"
    two.rules(segment("germans", 'country = "DE"') + segment("french", 'country = "XX"', to='["second"]'))
    assert french.plan_id is not None
    with two.open() as workspace, pytest.raises(UserError, match="stale"):
        approve(workspace, french.plan_id, by="tester")
