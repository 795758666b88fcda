"""`explain PERSON SEGMENT`: why somebody entered, what would turn it, and when time alone will."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from sync.errors import UserError
from sync.run.explaining import explain
from sync.run.rulebook import known_rules
from tests.scenarios.company import NOW, Company, email, join, people

LATELY = """
[[segment]]
id = "buyers"
when = 'count(purchase, last 3 days) >= 1'
[[segment]]
id = "quiet"
when = 'count(purchase) >= 1 and not in segment "buyers"'
[[segment]]
id = "edited"
when = 'count(purchase) >= {n}'
[[segment]]
id = "best"
when = 'count(purchase) in top 1'
"""


def order(number: int, customer: int, *, day: float) -> tuple[str, str, str, int]:
    return f"o{number}", f"c{customer}", (NOW + dt.timedelta(days=day)).isoformat(), 10


@pytest.fixture
def shop(firm: Company) -> Company:
    """Customer 1 bought before the first run, 2 before the second; in the third a rule is edited."""
    firm.customers(people(range(1, 4)))
    join(firm.newsletter, range(1, 4))
    firm.rules(LATELY.format(n=5))
    orders = [order(1, 1, day=-2.5)]
    firm.orders(orders)
    firm.run()
    firm.later(days=1)
    orders += [order(2, 2, day=0.5), order(3, 2, day=0.6)]
    firm.orders(orders)
    firm.run()
    firm.later(hours=1)
    firm.rules(LATELY.format(n=1))
    firm.customers(people(range(1, 5)))
    orders += [order(4, 4, day=1.0)]
    firm.orders(orders)
    firm.run()
    return firm


def explained(firm: Company, number: int, segment: str) -> dict[str, Any]:
    found = firm.segsync("explain", email(number), segment, "--format", "json")
    assert found.code == 0, found.said
    (one,) = found.document["segments"]
    assert isinstance(one, dict)
    return one


def test_it_is_told_because_of_which_change_a_person_entered(shop: Company) -> None:
    def cause(number: int, segment: str) -> str | None:
        entered = explained(shop, number, segment)["entered"]
        return None if entered is None else entered["cause"]

    assert cause(2, "buyers") == "data"
    assert cause(1, "quiet") == "time"
    assert cause(1, "edited") == "edit"
    assert cause(4, "buyers") == "new_person"
    assert cause(2, "best") == "data"
    assert cause(1, "buyers") is None, "left"


def test_what_data_or_time_turned_is_told_with_the_values_before_and_then(shop: Company) -> None:
    data = explained(shop, 2, "buyers")["entered"]
    count = "count(purchase, last 3 days)"
    assert (data["run"], data["turned"]) == (
        2,
        [{"text": f"{count} >= 1", "became": True, "before": {count: "0"}, "after": {count: "2"}}],
    )
    time = explained(shop, 1, "quiet")["entered"]
    assert [(one["text"], one["became"]) for one in time["turned"]] == [
        ('in segment "buyers"', False),
        (f"{count} >= 1", False),
    ]
    edit = explained(shop, 1, "edited")["entered"]
    assert edit["version_before"] != edit["version"] == explained(shop, 1, "edited")["version"]


def test_the_latest_activity_is_named_by_its_source_and_the_outlook_by_amount_and_date(shop: Company) -> None:
    one = explained(shop, 2, "buyers")
    (counted,) = one["tree"]["counted"].values()
    assert (counted["n"], counted["connection"], counted["kind"]) == (2, "shop", "purchase")
    assert counted["event_id"].endswith("o3")
    latest = NOW + dt.timedelta(days=0.6)
    assert dt.datetime.fromisoformat(counted["at"]) == latest
    outlook = one["outlook"]
    assert dt.datetime.fromisoformat(outlook["turns_by_time_at"]) == latest + dt.timedelta(days=3)
    assert outlook["nearest_change"][0].startswith("2 purchase fewer")
    (more,) = explained(shop, 3, "edited")["outlook"]["nearest_change"]
    assert more == "1 more purchase"
    told = shop.segsync("explain", email(2), "buyers").out
    wanted = (
        "entered in run 2: data changed",
        "would leave with: 2 purchase fewer",
        "by time alone leaves on",
    )
    for part in wanted:
        assert part in told
    assert email(2) not in told


def test_people_are_compared_by_what_the_last_run_saw_of_the_others(shop: Company) -> None:
    """Until the next run whoever comes to be first does not push out who was."""

    def best(number: int) -> tuple[bool, str]:
        found = shop.segsync("explain", email(number), "best", "--format", "json").document
        return found["segments"][0]["member"], found["compared_as_of"]

    asked = shop.clock.utc_now()
    before = [best(2), best(3)]
    assert before == [(True, asked.isoformat()), (False, asked.isoformat())]
    shop.later(hours=1)
    shop.orders(
        [order(1, 1, day=-2.5), order(2, 2, day=0.5), order(3, 2, day=0.6), order(4, 4, day=1.0)]
        + [order(number, 3, day=1.0) for number in range(5, 9)]
    )
    assert shop.segsync("pull").code == 0
    assert [best(2), best(3)] == [(True, asked.isoformat()), (True, asked.isoformat())]
    shop.run()
    assert [best(2), best(3)] == [
        (False, shop.clock.utc_now().isoformat()),
        (True, shop.clock.utc_now().isoformat()),
    ]
    assert "Compared with the others as of" in shop.segsync("explain", email(3), "best").out
    assert shop.segsync("explain", email(3), "buyers", "--format", "json").document["compared_as_of"] is None


def test_an_open_workspace_sees_what_changed_since_it_answered_last(shop: Company) -> None:
    """What it keeps in between is of one state of the rule files, of the lake and of the history."""
    with shop.open() as workspace:
        vocabulary, rules = known_rules(workspace)
        assert known_rules(workspace)[1] is rules
        before = explain(workspace, email(1), "edited").segments[0]
        shop.rules(LATELY.format(n=3))
        after = explain(workspace, email(1), "edited").segments[0]
        assert (before.member, after.member) == (True, False)
        assert before.version != after.version
        with pytest.raises(UserError, match="nobody has this"):
            explain(workspace, email(9), None)
        assert vocabulary.lists == frozenset()
        shop.customers(people(range(1, 10)))
        join(shop.newsletter, [9], tags=["Gold"])
        shop.later(hours=1)
        shop.run()
        assert known_rules(workspace)[0].lists == {"newsletter:Gold"}
        found = explain(workspace, email(9), "quiet").segments[0]
        assert (found.member, found.since) == (False, None)
        assert explain(workspace, email(1), "edited").segments[0].since is None, "left with the edit"
