"""Consent is read from every place that HubSpot has for it, the strictest wins, and it is never written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import connectors.hubspot
from connectors.base import Action, Audience, AudienceKind, Batch, Change, Consent
from connectors.hubspot.consent import NAMES, consent_properties, email_consent
from tests.connectors.hubspot.conftest import Portal

TYPE = "hs_email_optout_9714480"
ASKED = (*NAMES, TYPE)
NOTHING: dict[str, str | None] = dict.fromkeys(ASKED)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Consent.NEVER_ASKED),
        ({"hs_email_optout": "true"}, Consent.OPTED_OUT),
        ({"hs_email_optout": "false"}, Consent.NEVER_ASKED),
        ({"hs_email_optout": ""}, Consent.NEVER_ASKED),
        ({TYPE: "true"}, Consent.OPTED_OUT),
        ({TYPE: "false"}, Consent.NEVER_ASKED),
        ({"hs_email_hard_bounce_reason_enum": "MAILBOX_FULL"}, Consent.UNDELIVERABLE),
        ({"hs_email_bad_address": "true"}, Consent.UNDELIVERABLE),
        ({"hs_email_quarantined": "true"}, Consent.UNDELIVERABLE),
        ({"hs_email_is_ineligible": "true"}, Consent.UNDELIVERABLE),
        ({"hs_emailconfirmationstatus": "Confirmed"}, Consent.OPTED_IN),
        ({"hs_emailconfirmationstatus": "Confirmation Pending"}, Consent.PENDING),
        ({"hs_emailconfirmationstatus": "Confirmation Email Sent"}, Consent.PENDING),
        ({"hs_legal_basis": "Freely given consent from contact"}, Consent.OPTED_IN),
        ({"hs_legal_basis": "Performance of a contract"}, Consent.NEVER_ASKED),
        # The strictest wins.
        ({"hs_emailconfirmationstatus": "Confirmed", "hs_email_optout": "true"}, Consent.OPTED_OUT),
        ({"hs_legal_basis": "Freely given consent from contact", TYPE: "true"}, Consent.OPTED_OUT),
        ({"hs_email_bad_address": "true", TYPE: "true"}, Consent.OPTED_OUT),
        ({"hs_emailconfirmationstatus": "Confirmed", "hs_email_bad_address": "true"}, Consent.UNDELIVERABLE),
    ],
)
def test_what_the_properties_mean(values: dict[str, str], expected: Consent) -> None:
    assert email_consent({**NOTHING, **values}, asked=ASKED) == expected


@pytest.mark.parametrize("name", ASKED)
def test_a_property_that_is_absent_makes_the_state_unknown(name: str) -> None:
    """null is "never"; no key at all is "unknown", and unknown is not consent."""
    values = {k: v for k, v in NOTHING.items() if k != name}
    confirmed = {**values, "hs_emailconfirmationstatus": "Confirmed"} if "confirm" not in name else values
    assert email_consent(confirmed, asked=ASKED) is None
    if name != "hs_email_optout":
        assert email_consent({**values, "hs_email_optout": "true"}, asked=ASKED) == Consent.OPTED_OUT


def test_an_account_without_the_opt_out_property_knows_no_consent() -> None:
    asked = consent_properties([n for n in NAMES if n != "hs_email_optout"])
    assert (
        email_consent({**dict.fromkeys(asked), "hs_emailconfirmationstatus": "Confirmed"}, asked=asked)
        is None
    )


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.fixed_dictionaries(
        {}, optional={name: st.sampled_from([None, "", "true", "false", "Confirmed", "x"]) for name in ASKED}
    )
)
def test_an_opt_out_anywhere_wins_over_everything(values: dict[str, str | None]) -> None:
    """Compared with the plain reading of the rule, for every mixture of values and missing keys."""
    found = email_consent(values, asked=ASKED)
    out = values.get("hs_email_optout") == "true" or values.get(TYPE) == "true"
    assert (found == Consent.OPTED_OUT) == out
    if found == Consent.OPTED_IN:
        assert set(values) == set(ASKED)
        assert values["hs_emailconfirmationstatus"] == "Confirmed"


def test_one_subscription_type_can_be_chosen() -> None:
    existing = [*NAMES, "hs_email_optout_1", "hs_email_optout_2"]
    assert "hs_email_optout_1" in consent_properties(existing)
    assert "hs_email_optout_1" not in consent_properties(existing, subscriptions=["2"])
    assert "hs_email_optout_2" in consent_properties(existing, subscriptions=["2"])


def test_every_contact_read_carries_its_consent(portal: Portal) -> None:
    out = portal.hubspot.add_contact("out@example.com", hs_email_optout="true")
    part = portal.hubspot.add_contact("part@example.com", hs_email_optout_9714480="true")
    dead = portal.hubspot.add_contact("dead@example.com", hs_email_hard_bounce_reason_enum="OTHER")
    yes = portal.hubspot.add_contact("yes@example.com", hs_emailconfirmationstatus="Confirmed")
    plain = portal.hubspot.add_contact("plain@example.com")
    rows = portal.rows()
    assert [rows[r.id]["email_consent"] for r in (out, part, dead, yes, plain)] == [
        "opted_out",
        "opted_out",
        "undeliverable",
        "opted_in",
        "never_asked",
    ]


def test_a_consent_property_that_the_account_lacks_is_not_taken_as_a_no(portal: Portal) -> None:
    del portal.hubspot.schema.of("contacts")["hs_email_optout"]
    made = portal.hubspot.add_contact("yes@example.com", hs_emailconfirmationstatus="Confirmed")
    assert portal.rows()[made.id]["email_consent"] is None


@pytest.mark.parametrize("api_version", ["2026-09", "v3"])
def test_who_unsubscribed_from_everything_is_found_in_the_preferences_too(
    portal: Portal, api_version: str
) -> None:
    made = [portal.hubspot.add_contact(f"P{n}@example.com") for n in range(150)]
    portal.hubspot.account.unsubscribed = {"p7@example.com", "p120@example.com"}
    rows = portal.rows(ask_unsubscribed=True, api_version=api_version)
    out = {r.id for r in made if rows[r.id]["email_consent"] == "opted_out"}
    assert out == {made[7].id, made[120].id}
    assert not any(row["email_consent"] == "opted_out" for row in portal.rows().values())


# ---- nothing is ever written --------------------------------------------------------------------

FOLDER = Path(connectors.hubspot.__file__).parent
OURS = [path for path in sorted(FOLDER.glob("*.py")) if path.name not in ("simulator.py",)]


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Every text constant of the code that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    explained = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in explained:
            yield node.lineno, node.value


def test_the_code_names_no_call_that_could_subscribe_anybody() -> None:
    preferences = [
        (path.name, text)
        for path in OURS
        for _, text in texts(path)
        if "communication-preferences" in text or "/subscribe" in text or "/statuses" in text
    ]
    assert preferences == [
        ("consent.py", "/communication-preferences/"),
        ("consent.py", "/statuses/batch/unsubscribe-all/read"),
    ]
    for path in OURS:
        code = path.read_text(encoding="utf-8")
        assert not re.search(r"communication_preferences\.\w+_api|\.subscribe\(|opt_?in\(", code), path.name
        assert "api_request" not in code, path.name


def test_consent_properties_are_named_where_they_are_read_and_nowhere_else() -> None:
    named = {
        path.name
        for path in OURS
        for _, text in texts(path)
        if re.search(r"hs_email_optout|hs_legal_basis|hs_emailconfirmation|hs_email_quarantined", text)
    }
    assert named == {"consent.py"}


def test_a_batch_body_is_built_in_one_place_with_one_property() -> None:
    """The only "properties" of a write are {own field: value}; the others are lists of names to read."""
    built = [
        (path.name, ast.unparse(value))
        for path in OURS
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "properties"
    ]
    assert sorted(built) == [
        ("objects.py", "list(properties)"),
        ("windows.py", "self._properties"),
        ("writing.py", "{self._own_field: values[id(change)]}"),
    ]


def test_the_simulator_refuses_and_remembers_a_call_that_subscribes(portal: Portal) -> None:
    answer = portal.call("POST", "/communication-preferences/2026-09/statuses/ana@example.com", {})
    assert answer.status_code == 403
    assert portal.hubspot.account.forbidden == ["POST /communication-preferences/statuses/ana@example.com"]
    portal.hubspot.account.forbidden.clear()
    portal.hubspot.traffic.reset()


def test_hubspot_itself_refuses_a_write_to_the_opt_out(portal: Portal) -> None:
    made = portal.hubspot.add_contact("out@example.com", hs_email_optout="true")
    connector = portal.connect(own_field="segsync_segments")
    field = Audience("*", "segments", AudienceKind.FIELD)
    connector.ensure(field)
    (outcome,) = connector.write(Batch(field, [Change(Action.SET, made.id, "out@example.com", "vip")]))
    assert outcome.state == "done"
    assert made.properties["hs_email_optout"] == "true"
    assert portal.rows()[made.id]["email_consent"] == "opted_out"
