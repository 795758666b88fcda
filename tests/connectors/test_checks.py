"""`check` names every right that is missing for what is asked, the quota, and what would be made; no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from connectors.base import AudienceKind, Connector
from connectors.health import Creation, Health, Needs, WantedAudience
from connectors.hubspot.simulator import CLIENT, REFRESH_TOKEN, HubspotSimulator
from connectors.klaviyo.simulator import KlaviyoSimulator
from connectors.mailchimp.simulator import MailchimpSimulator
from connectors.pacing import ManualClock
from connectors.registry import platform
from connectors.salesforce.simulator import SalesforceSimulator
from connectors.simulation import serve

SIMULATORS: dict[str, Callable[[ManualClock], Any]] = {
    "hubspot": lambda clock: HubspotSimulator(now=clock.utc_now),
    "salesforce": lambda clock: SalesforceSimulator(now=clock.utc_now),
    "klaviyo": lambda clock: KlaviyoSimulator(now=clock.utc_now),
    "mailchimp": lambda clock: MailchimpSimulator(now=clock.utc_now),
}
KLAVIYO = frozenset(
    {
        *("profiles:read", "profiles:write", "lists:read", "lists:write"),
        *("events:read", "metrics:read", "segments:read"),
    }
)
READING = Needs()


class Account:
    """A simulated account, and connections to it."""

    def __init__(self, name: str, simulator: Any, clock: ManualClock, address: str) -> None:
        self.name, self.simulator, self.clock, self.address = name, simulator, clock, address
        self.opened: list[Connector] = []

    def check(self, needs: Needs | None, **settings: object) -> Health:
        given = {**self.simulator.credentials, "base_url": self.address, **settings}
        connector = platform(self.name).open(given, self.clock)
        self.opened.append(connector)
        return connector.check(needs)


@contextmanager
def account(name: str) -> Iterator[Account]:
    clock = ManualClock()
    simulator = SIMULATORS[name](clock)
    if name == "salesforce":
        simulator.add_own_field()
    with serve(simulator) as address:
        made = Account(name, simulator, clock, address)
        yield made
        for connector in made.opened:
            connector.close()


def writing(*kinds: AudienceKind, read: bool = False) -> Needs:
    return Needs(read, tuple(WantedAudience(f"segsync: {kind}", kind) for kind in kinds))


def lacks(scope: str) -> Callable[[HubspotSimulator], None]:
    return lambda hubspot: hubspot.missing_scopes.add(scope)


def without(scope: str) -> Callable[[KlaviyoSimulator], None]:
    def spoil(klaviyo: KlaviyoSimulator) -> None:
        klaviyo.scopes = KLAVIYO - {scope}

    return spoil


def denied(object: str, right: str) -> Callable[[SalesforceSimulator], None]:
    return lambda org: org.org.schema[object].denied.add(right)


def unreadable(*objects: str) -> Callable[[SalesforceSimulator], None]:
    def spoil(org: SalesforceSimulator) -> None:
        for object in objects:
            del org.org.schema[object]

    return spoil


def fieldless(org: SalesforceSimulator) -> None:
    for object in ("contact", "lead"):
        del org.org.schema[object].fields["segments__c"]
    org.org.create("PermissionSet", Name="Segsync")
    org.may_customise = True


def made_by(**attributes: bool) -> Callable[[SalesforceSimulator], None]:
    def spoil(org: SalesforceSimulator) -> None:
        fieldless(org)
        for name, value in attributes.items():
            setattr(org, name, value)

    return spoil


def no_api(org: SalesforceSimulator) -> None:
    org.api_enabled = False


def no_hard_delete(org: SalesforceSimulator) -> None:
    org.jobs.may_hard_delete = False


def viewer(mailchimp: MailchimpSimulator) -> None:
    mailchimp.role = "viewer"


def author(mailchimp: MailchimpSimulator) -> None:
    mailchimp.role = "author"


LIST, FIELD, CAMPAIGN, TAG = (writing(AudienceKind(k)) for k in ("list", "field", "campaign", "tag"))
MAKING = {"create_field": True, "permission_set": "Segsync"}
ROLE = "the role manager, admin or owner"
HS, SF, KL, MC = SIMULATORS
KEY = "Service keys"
SETUP = "In Setup"
NEW_KEY = "new private key"
Case = tuple[str, Callable[[Any], None], Needs, dict[str, object], str, str, str]
CASES: list[Case] = [
    (HS, lacks("crm.schemas.contacts.read"), READING, {}, "crm.schemas.contacts.read", "nothing can be", KEY),
    (HS, lacks("crm.objects.contacts.read"), READING, {}, "crm.objects.contacts.read", "no contact", KEY),
    (HS, lacks("crm.objects.companies.read"), READING, {}, "crm.objects.companies.read", "company", KEY),
    (HS, lacks("crm.objects.deals.read"), READING, {}, "crm.objects.deals.read", "no deal", KEY),
    (
        *(HS, lacks("communication_preferences.statuses.batch.read"), READING, {"ask_unsubscribed": True}),
        *("communication_preferences.statuses.batch.read", "unsubscribed", KEY),
    ),
    (HS, lacks("crm.lists.read"), LIST, {}, "crm.lists.read", "no plan", KEY),
    (HS, lacks("crm.lists.write"), LIST, {}, "crm.lists.write", "no list", KEY),
    (HS, lacks("crm.schemas.contacts.write"), FIELD, {}, "crm.schemas.contacts.write", "our property", KEY),
    (HS, lacks("crm.objects.contacts.write"), FIELD, {}, "crm.objects.contacts.write", "no value", KEY),
    (SF, no_api, READING, {}, "API Enabled", "cannot call this org", SETUP),
    (SF, unreadable("contact", "lead"), READING, {}, "Read on Contact", "no people", SETUP),
    (SF, denied("contact", "updateable"), FIELD, {}, "Edit on Contact", "no value", SETUP),
    (SF, denied("lead", "updateable"), FIELD, {}, "Edit on Lead", "no value", SETUP),
    (SF, unreadable("campaign"), CAMPAIGN, {}, "Read on Campaign", "campaigns", SETUP),
    (SF, denied("campaign", "createable"), CAMPAIGN, {}, "Create on Campaign", "new campaigns", SETUP),
    (SF, denied("campaignmember", "createable"), CAMPAIGN, {}, "Create on CampaignMember", "put into", SETUP),
    (SF, denied("campaignmember", "deletable"), CAMPAIGN, {}, "Delete on CampaignMember", "taken out", SETUP),
    (
        *(SF, lambda org: org.hide("Contact", "HasOptedOutOfEmail"), CAMPAIGN, {}),
        *("Read on the field Contact.HasOptedOutOfEmail", "nobody is written to", SETUP),
    ),
    (SF, made_by(may_customise=False), FIELD, MAKING, "Customize Application", "cannot be made", SETUP),
    (SF, made_by(may_manage_sets=False), FIELD, MAKING, "Manage Profiles", "stay hidden", SETUP),
    (SF, no_hard_delete, READING, {"hard_delete": True}, "Bulk API Hard Delete", "erased for good", SETUP),
    (KL, without("metrics:read"), READING, {}, "metrics:read", "which events", NEW_KEY),
    (KL, without("profiles:read"), READING, {}, "profiles:read", "no profile", NEW_KEY),
    (KL, without("events:read"), READING, {}, "events:read", "no event", NEW_KEY),
    (KL, without("segments:read"), READING, {"lists": ["VIP"]}, "segments:read", "cannot be read", NEW_KEY),
    (KL, without("lists:read"), FIELD, {}, "lists:read", "no plan", NEW_KEY),
    (KL, without("lists:write"), LIST, {}, "lists:write", "no list", NEW_KEY),
    (KL, without("profiles:write"), FIELD, {}, "profiles:write", "no value", NEW_KEY),
    (MC, viewer, TAG, {}, ROLE, "viewer", "Account & billing"),
    (MC, author, FIELD, {}, ROLE, "author", "Account & billing"),
]


@pytest.mark.parametrize(
    ("name", "spoil", "needs", "settings", "scope", "blocks", "grant"),
    CASES,
    ids=[f"{case[0]} {case[4]}" for case in CASES],
)
def test_a_missing_right_is_named_with_what_it_blocks_and_how_to_grant_it(
    name: str,
    spoil: Callable[[Any], None],
    needs: Needs,
    settings: dict[str, object],
    scope: str,
    blocks: str,
    grant: str,
) -> None:
    with account(name) as one:
        if name == "klaviyo":
            one.simulator.scopes = KLAVIYO
        if settings is not MAKING:
            assert one.check(needs, **settings).ok  # before
        spoil(one.simulator)
        health = one.check(needs, **settings)
        (lack, *more) = [found for found in health.missing if found.scope.startswith(scope)]
        assert (health.ok, more) == (False, [])
        assert blocks in lack.blocks
        assert grant in lack.grant
        (sentence,) = [problem for problem in health.problems if problem.startswith(scope)]
        assert sentence == str(lack)
        assert {found.scope for found in health.missing} - {"Read on Lead"} == {lack.scope}


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("hubspot", lacks("crm.lists.write")),
        ("hubspot", lacks("crm.objects.contacts.write")),
        ("salesforce", denied("campaignmember", "createable")),
        ("klaviyo", without("lists:write")),
        ("klaviyo", without("segments:read")),
        ("mailchimp", viewer),
    ],
)
def test_what_nobody_asks_for_is_not_missed(name: str, spoil: Callable[[Any], None]) -> None:
    with account(name) as one:
        spoil(one.simulator)
        health = one.check(READING)
        assert (health.ok, health.problems) == (True, ())


@pytest.mark.parametrize("name", SIMULATORS)
def test_a_check_changes_nothing(name: str) -> None:
    """Even for everything the connection could be used for, and whatever its writing calls look like."""
    with account(name) as one:
        assert one.check(None).ok
        state = one.simulator
        if name == "hubspot":
            assert not state.lists.there()
            assert "segsync_segments" not in state.schema.of("contacts")
            assert not state.account.forbidden
        elif name == "salesforce":
            assert state.traffic.writes == 0
        elif name == "klaviyo":
            assert not state.account.lists
            assert not state.account.profiles
            assert not [x for x in state.traffic.log if "subscription" in x.path]
        else:
            assert state.traffic.writes == 0


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("hubspot", {}, ("of 650,000 left today", "10% of a day are kept", "190 in 10 seconds")),
        ("hubspot", {**CLIENT, "refresh_token": REFRESH_TOKEN, "access_token": None}, ("OAuth",)),
        ("salesforce", {}, ("of 100,000 left of these 24 hours", "are kept for the others")),
        ("klaviyo", {}, ("no daily limit", "profiles 749 of 750", "150 new lists a day")),
        ("mailchimp", {}, ("no daily limit", "10 calls at the same time", "segsync uses 6")),
    ],
)
def test_the_quota_is_told_in_words(name: str, settings: dict[str, object], words: tuple[str, ...]) -> None:
    with account(name) as one:
        quota = one.check(READING, **settings).quota
        assert not [word for word in words if word not in quota], quota


@pytest.mark.parametrize(
    ("name", "kinds", "made"),
    [
        (
            "hubspot",
            ("list", "field"),
            [
                Creation("property", "segsync_segments", "segsync segments", "contacts"),
                Creation("list folder", "segsync"),
                Creation("list", "segsync: list"),
            ],
        ),
        ("salesforce", ("campaign", "field"), [Creation("campaign", "segsync: campaign")]),
        (
            "klaviyo",
            ("field", "list"),
            [
                Creation("custom property", "segsync_segments", object="profiles"),
                Creation("list", "segsync: list"),
            ],
        ),
        (
            "mailchimp",
            ("tag", "field"),
            [
                Creation("tag", "segsync: tag", object="the audience Customers"),
                Creation("merge field", "SEGMENTS", "segments", "the audience Customers"),
            ],
        ),
    ],
)
def test_what_would_be_made_is_named_with_object_and_label(
    name: str, kinds: tuple[str, ...], made: list[Creation]
) -> None:
    with account(name) as one:
        health = one.check(writing(*map(AudienceKind, kinds)))
        assert list(health.creates) == made
        assert health.ok


def test_a_salesforce_field_is_made_on_both_objects_or_an_admin_is_told_how() -> None:
    with account("salesforce") as one:
        fieldless(one.simulator)
        health = one.check(FIELD, **MAKING)
        assert health.ok
        assert [(made.name, made.label, made.object) for made in health.creates] == [
            ("Segments__c", "Segments", "Contact"),
            ("Segments__c", "Segments", "Lead"),
        ]
        health = one.check(FIELD)
        assert not health.creates
        assert ["Object Manager" in problem for problem in health.problems] == [True, True]
        other = one.check(FIELD, create_field=True, permission_set="Other")
        assert ["permission set with the API name Other" in p for p in other.problems] == [True]


def test_what_is_there_by_name_or_by_id_is_not_made_again() -> None:
    with account("hubspot") as one:
        lists = one.simulator.lists
        lists.make("SEGSYNC: one")
        renamed = lists.make("an old name")
        wanted = (
            WantedAudience("segsync: one"),
            WantedAudience("segsync: two", AudienceKind.LIST, renamed.id),
        )
        assert one.check(Needs(audiences=wanted)).creates == ()


def test_a_right_that_only_makes_the_picture_smaller_is_a_note() -> None:
    with account("salesforce") as one:
        del one.simulator.org.schema["task"]
        health = one.check(READING)
        assert health.ok
        assert [note for note in health.notes if "Task" in note and "no tasks come in" in note]


def test_a_mailchimp_audience_full_of_fields_is_noted() -> None:
    with account("mailchimp") as one:
        fields = one.simulator.audience.merge_fields
        fields.extend([fields[0]] * (30 - len(fields)))
        (note,) = one.check(FIELD).notes
        assert "30 merge fields" in note


def test_a_platform_that_fails_during_a_check_is_not_asked_for_the_rest() -> None:
    from connectors.simulation import Chance, Kind

    with account("hubspot") as one:
        one.simulator.faults.add(Chance(Kind.EMPTY_503, 1.0, "GET /objects/contacts"))
        health = one.check(writing(AudienceKind.LIST, read=True))
        assert len(health.problems) == 1
        assert health.missing == ()
        asked = [logged.operation for logged in one.simulator.traffic.log]
        assert "POST /lists/search" not in asked


def test_what_would_be_made_is_not_guessed_where_the_config_is_wrong() -> None:
    with account("hubspot") as one:
        health = one.check(writing(AudienceKind.LIST), properties=["no_such_property"])
        assert ["no_such_property" in problem for problem in health.problems] == [True]
        assert health.creates == ()
