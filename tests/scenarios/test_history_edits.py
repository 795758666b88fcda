"""An edit of a field, a score or of tiers is the cause that history tells, by name and to the last person."""

from __future__ import annotations

from tests.scenarios.company import Company, people
from tests.scenarios.test_history import history, order, rules

FILE = (
    "[[field]]\nid = 'bought'\nis = 'count(purchase, last 3 days)'\n"
    "[[field]]\nid = 'much'\nis = 'bought >= 1'\n"
    "[[score]]\nid = 'keen'\npoints = [{ when = 'purchase last 3 days', points = 5 }]\n"
    "[[segment]]\nid = 'buyers'\nwhen = 'much'\n"
    "[[segment]]\nid = 'users'\nwhen = 'in segment \"buyers\"'\n"
    "[[segment]]\nid = 'keen-ones'\nwhen = 'keen >= 5'\n"
    "[[tiers]]\nid = 'order'\n[[tiers.tier]]\nid = 'some'\nwhen = 'count(purchase, last 3 days) >= 2'\n"
    "[[tiers.tier]]\nid = 'none'\notherwise = true\n"
)
ONE = "[[tiers.tier]]\nid = 'one'\nwhen = 'purchase'\n"
EDITED = (
    FILE.replace("bought >= 1", "bought >= 2")
    .replace("points = 5", "points = 2.5")
    .replace("[[tiers.tier]]\nid = 'none'", f"{ONE}[[tiers.tier]]\nid = 'none'")
)
EDITS = {
    "buyers": ["field bought", "field much"],
    "users": ["field bought", "field much"],
    "keen-ones": ["score keen"],
}


def test_an_edit_of_a_field_a_score_or_tiers_is_told_as_the_cause(firm: Company) -> None:
    """1 and 4 bought twice, 2 once, 5 never. Then 4 leaves by time, 3 comes by data, and an edit takes out
    whoever bought only once."""
    firm.customers(people(range(1, 6)))
    rules(firm, FILE)
    orders = [order(1, 1, day=-0.3), order(2, 1, day=-0.2), order(3, 2, day=-0.1)]
    orders += [order(4, 4, day=-2.5), order(5, 4, day=-2.6)]
    firm.orders(orders)
    firm.run()
    firm.later(days=1)
    firm.orders([*orders, order(6, 3, day=0.8), order(7, 3, day=0.9)])
    rules(firm, EDITED)
    firm.run()
    firm.later(hours=1)
    for segment, edited in EDITS.items():
        (found,) = history(firm, segment)["changes"]
        assert found["causes"] == {
            "edit": {"enter": 0, "leave": 1},
            "time": {"enter": 0, "leave": 1},
            "data": {"enter": 1, "leave": 0},
        }, segment
        assert (found["edited"], found["note"]) == (edited, "")
    (tier,) = history(firm, "order/none")["changes"]
    assert tier["causes"] == {"edit": {"enter": 0, "leave": 1}, "data": {"enter": 0, "leave": 1}}
    assert tier["edited"] == ["tier order/one"]
    assert "edit of score keen +0 −1" in " ".join(firm.segsync("history", "keen-ones").out.split())

    rules(firm, EDITED.replace("bought >= 2", "bought >= 3"))
    firm.run()
    last, first = history(firm, "buyers")["changes"]
    assert last["causes"] == {"edit": {"enter": 0, "leave": 2}}
    assert (list(first["causes"]), first["edited"]) == (["untold"], EDITS["buyers"])
    assert "edited once more" in first["note"]
    assert "?" not in firm.segsync("history", "buyers").out
