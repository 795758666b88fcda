"""Contacts become persons: the same as a slow model says, incrementally as in full, with stable numbers."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.identify import match_rules
from tests.sync.identify.lake import EMAILS, Contact, Lake, persons_of
from tests.sync.identify.model import Link, next_links
from tests.thorough import examples

ADDRESSES = [
    None, "a@x.example", "b@x.example", "c@x.example", " A@X.example", "d@x.example", "e@x.example",
    "info@x.example", "z@blocked.example", "ann@one.example", "none",
]  # fmt: skip
CONTACTS = st.builds(
    Contact,
    contact=st.integers(0, 13),
    email=st.sampled_from(ADDRESSES),
    crm=st.none() | st.integers(0, 4),
    deleted=st.sampled_from([False] * 3 + [True]),
)
STEPS = st.lists(st.lists(CONTACTS, max_size=9, unique_by=lambda c: c.contact), min_size=1, max_size=5)


@settings(max_examples=examples(35), deadline=None, derandomize=True)
@given(STEPS)
def test_links_are_those_of_the_slow_model_whether_computed_in_part_or_whole(
    steps: list[list[Contact]],
) -> None:
    lake = Lake()
    model: dict[int, Link] = {}
    upcoming, ever = 1, set[int]()
    for step in steps:
        before, before_persons = lake.links, set(lake.persons().values())
        start = lake.numbers.upcoming
        result = lake.step(*step)
        incremental = lake.links
        model, upcoming = next_links(model, lake.contacts.values(), lake.rules.max_contacts_per_key, upcoming)
        found = {
            row["contact"]: Link(row["person"], set(row["keys"]), set(row["former_keys"]))
            for row in incremental.to_pylist()
        }
        assert found == model
        assert lake.numbers.upcoming == upcoming  # none reserved in vain

        lake.links, lake.numbers.upcoming = before, start  # the same step again, over everything
        whole = lake.identify(full=True)
        assert whole.whole(lake.database, "links") == incremental
        assert whole.events == result.events
        assert whole.blocked == result.blocked
        lake.links = incremental

        after_persons = set(lake.persons().values())
        assert not (after_persons - before_persons) & ever  # a number that was gone stays gone
        ever |= after_persons
        _accounts_for_every_move(before, incremental, result.moved, result.events)

    again = lake.identify()
    assert [t.num_rows for t in (again.links, again.gone, again.moved, again.events)] == [0, 0, 0, 0]


def _accounts_for_every_move(before: pa.Table, after: pa.Table, moved: pa.Table, events: pa.Table) -> None:
    old, new = persons_of(before), persons_of(after)
    told = {row["contact"]: (row["old_person"], row["new_person"]) for row in moved.to_pylist()}
    assert told == {
        contact: (old.get(contact), new.get(contact))
        for contact in old.keys() | new.keys()
        if old.get(contact) != new.get(contact)
    }
    merges = {(row["person"], row["into"]) for row in events.to_pylist() if row["action"] == "merge"}
    splits = {(row["person"], row["into"]) for row in events.to_pylist() if row["action"] == "split"}
    walked = {(p, q) for p, q in told.values() if p is not None and q is not None}
    assert merges | splits == walked
    kept = set(new.values())
    assert all(person not in kept for person, _ in merges)


def test_a_changed_email_never_makes_a_second_person() -> None:
    lake = Lake()
    lake.step(Contact(0, "ann@x.example"), Contact(1, "ann@x.example"))
    result = lake.step(Contact(1, "ann@married.example"))
    assert set(lake.persons().values()) == {1}
    assert result.moved.num_rows == result.events.num_rows == 0
    lake.step(Contact(2, "ann@married.example"))
    assert set(lake.persons().values()) == {1}


def test_a_second_holder_of_the_old_address_is_no_claim() -> None:
    lake = Lake()
    lake.step(Contact(0, "ann@x.example"), Contact(2, "ann@x.example"))
    lake.step(Contact(2, "ann@married.example"))
    assert set(lake.persons().values()) == {1}


def test_who_returns_to_an_own_former_address_takes_it_from_nobody() -> None:
    lake = Lake()
    lake.step(Contact(0, "ann@x.example"), Contact(2, "ann@x.example"))
    lake.step(Contact(0, "ann@y.example"), Contact(2, "ann@z.example"))
    lake.step(Contact(2, "ann@x.example"))
    assert set(lake.persons().values()) == {1}


def test_a_former_address_passes_to_who_claims_it_on_the_same_connection() -> None:
    lake = Lake()
    lake.step(Contact(0, "a@x.example"), Contact(1, "a@x.example"))
    lake.step(Contact(1, "b@x.example"))
    result = lake.step(Contact(3, "a@x.example"))  # another reader of the newsletter has that address now
    assert lake.persons() == {0: 1, 3: 1, 1: 2}
    (event,) = result.events.to_pylist()
    assert (event["action"], event["person"], event["into"], event["contact"]) == ("split", 1, 2, 1)
    assert "former e-mail address" in event["reason"]


def test_a_merge_keeps_the_number_of_the_larger_person_and_says_why() -> None:
    lake = Lake()
    lake.step(Contact(0, "a@x.example"))
    lake.step(Contact(2, "b@x.example"), Contact(3, "b@x.example"))
    result = lake.step(Contact(0, "a@x.example", crm=7), Contact(2, "b@x.example", crm=7))
    assert set(lake.persons().values()) == {2}
    (event,) = result.events.to_pylist()
    assert (event["action"], event["person"], event["into"]) == ("merge", 1, 2)
    assert (event["reason"], event["contact"], event["other_contact"]) == ("same crm id", 0, 2)
    assert "@" not in str(result.events.to_pylist())


def test_an_id_kept_as_number_equals_the_same_id_kept_as_text() -> None:
    lake = Lake()
    lake.step(Contact(0, crm=4711), Contact(1, crm=4711))
    assert lake.persons() == {0: 1, 1: 1}


def test_a_withdrawn_id_splits_and_the_oldest_contact_keeps_the_number() -> None:
    lake = Lake()
    lake.step(Contact(0, "a@x.example", crm=7), Contact(1, "b@x.example", crm=7))
    result = lake.step(Contact(0, "a@x.example"))
    assert lake.persons() == {0: 1, 1: 2}
    assert result.events["reason"].to_pylist() == ["a declared id has changed"]


def test_who_was_joined_only_by_a_deleted_contact_is_two_persons_again() -> None:
    lake = Lake()
    lake.step(Contact(0, "a@x.example"), Contact(1, "a@x.example", crm=7), Contact(3, crm=7))
    result = lake.step(Contact(1, "a@x.example", crm=7, deleted=True))
    assert lake.persons() == {0: 1, 3: 2}
    assert result.events["reason"].to_pylist() == ["the contact between them is gone"]


def test_one_shared_address_cannot_fuse_a_hundred_people() -> None:
    lake = Lake()
    lake.step(*(Contact(number, "team@x.example") for number in range(4)))
    assert set(lake.persons().values()) == {1}
    result = lake.step(*(Contact(number, "team@x.example") for number in range(4, 100)))
    assert len(set(lake.persons().values())) == 100
    assert set(result.events["reason"].to_pylist()) == {"too many contacts hold the key they shared"}
    assert result.blocked.to_pylist() == [
        {
            "connection": name,
            "kind": "email",
            "reason": "held by more than 4 contacts",
            "keys": 1,
            "contacts": 50,
        }
        for name in ("news", "shop")
    ]


def test_blocked_values_link_nobody_and_are_counted_without_being_shown() -> None:
    lake = Lake()
    result = lake.step(
        Contact(0, "Info@x.example"), Contact(1, "info@x.example"), Contact(2, "z@blocked.example"),
        Contact(3, "z@blocked.example"), Contact(5, "ann@one.example"), Contact(4, "ann@one.example"),
    )  # fmt: skip
    assert len(set(lake.persons().values())) == 6
    report = result.blocked.to_pylist()
    assert [(row["connection"], row["keys"], row["contacts"]) for row in report] == [
        ("news", 3, 3),
        ("shop", 3, 3),
    ]
    assert "@" not in str(report)


def test_new_rules_take_effect_with_a_full_pass() -> None:
    lake = Lake()
    lake.step(Contact(0, "team@x.example"), Contact(1, "team@x.example"))
    lake.rules = match_rules([EMAILS], blocked=["team@"])
    assert lake.identify().events.num_rows == 0
    result = lake.identify(full=True)
    assert result.events["reason"].to_pylist() == ["the value they shared is blocked or no longer a key"]


def test_a_person_without_contacts_is_gone_and_the_number_with_it() -> None:
    lake = Lake()
    lake.step(Contact(0, "a@x.example"))
    result = lake.step(Contact(0, "a@x.example", deleted=True))
    assert lake.links.num_rows == 0
    assert result.gone["contact"].to_pylist() == [0]
    lake.step(Contact(0, "a@x.example"))
    assert lake.persons() == {0: 2}


def test_a_pass_over_records_whose_keys_are_the_same_tells_empty_tables_of_the_same_columns() -> None:
    lake = Lake()
    busy = lake.step(Contact(0, "info@x.example"), Contact(1, "a@x.example"))
    quiet = lake.step(Contact(0, "info@x.example"), Contact(1, " A@X.example"))
    for name in ("links", "gone", "moved", "events"):
        assert getattr(quiet, name).schema == getattr(busy, name).schema, name
        assert getattr(quiet, name).num_rows == 0
    assert quiet.blocked == busy.blocked
    assert quiet.blocked.num_rows == 1
    left = "SELECT count(*) FROM duckdb_tables() WHERE starts_with(table_name, 'identify_')"
    assert lake.database.execute(left).fetchall() == [(0,)]


def test_a_long_chain_is_one_person() -> None:
    """Contact n shares its e-mail with n-1 or its id with n+1: no two of the chain's ends share anything."""
    lake = Lake()
    order = [(number * 577) % 1000 for number in range(1000)]  # labels in disorder: many rounds of hooking
    lake.step(
        *(
            Contact(contact, f"p{place // 2}@x.example", crm=(place + 1) // 2 + 1)
            for place, contact in enumerate(order)
        )
    )
    assert set(lake.persons().values()) == {1}
