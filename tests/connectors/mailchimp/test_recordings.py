"""The recorded traffic of the real service, used both ways: through our mapping, and at the simulator."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.base import page_schema
from connectors.mailchimp import mapping
from connectors.mailchimp.simulated.audience import Audience
from connectors.mailchimp.simulator import MailchimpSimulator
from connectors.simulation import Reply, Request
from tests.shared import shared

Exchange = Mapping[str, Any]
FILES = (
    "account",
    "errors",
    "export_by_email",
    "export_by_id",
    "first_export",
    "member_pages",
    "merge_fields",
    "tag_and_archive_snippets",
)
ORDERED = ("export_by_email", "export_by_id", "first_export")
LATER_KEYS = {"contact_id", "full_name", "consents_to_one_to_one_messaging", "region", "contact"}
"""In today's answers but not in those of 2020."""


def exchanges(name: str) -> list[Exchange]:
    path = shared("recordings/mailchimp") / f"{name}.jsonl"
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def recorded_members() -> list[tuple[str, Exchange]]:
    found: list[tuple[str, Exchange]] = []
    for name in FILES:
        for exchange in exchanges(name):
            answer = exchange["response"] or {}
            members = answer.get("members", [answer] if "unique_email_id" in answer else [])
            found.extend((name, member) for member in members)
    return found


# ---- answers through our mapping -----------------------------------------------------------------


def test_every_recorded_member_passes_the_mapping() -> None:
    for name in ("export_by_id", "member_pages", "first_export"):
        answers = [e["response"] for e in exchanges(name) if e["path"].endswith("/merge-fields")]
        fields = answers[0]["merge_fields"]
        stream = mapping.members_stream(fields, own_field="SEGMENTS")
        members = [member for file, member in recorded_members() if file == name]
        table, rejected = mapping.member_rows(stream, members)
        assert rejected == ()
        assert table.schema.equals(page_schema(stream))
        for member, row in zip(members, table.to_pylist(), strict=True):
            assert row["external_id"] == member.get("contact_id", member["id"])
            assert row["address"] == member["email_address"]
            assert row["changed_at"] == datetime.fromisoformat(member["last_changed"])
            assert (row["email_consent"] == "opted_in") == (member["status"] == "subscribed")
            assert sorted(row["lists"]) == sorted(tag["name"] for tag in member["tags"])
            for tag, value in member["merge_fields"].items():
                if tag in ("LTV", "USERID"):
                    assert row[tag] == (None if value == "" else float(value))
                elif tag != "JOINED_AT":
                    assert row[tag] == (value or None)


def test_recorded_hashes_are_the_ones_we_compute() -> None:
    members = recorded_members()
    assert len(members) > 50
    for _, member in members:
        assert mapping.subscriber_hash(member["email_address"].upper()) == member["id"]


# ---- requests at the simulator -------------------------------------------------------------------


class Replay:
    """A simulator that holds what existed before a recorded sequence, and its clock."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.exchanges = exchanges(name)
        self.now = datetime(2022, 2, 23, 19, 0, tzinfo=UTC)
        self.simulator = MailchimpSimulator(now=lambda: self.now)
        self.simulator.audiences.clear()

    def audience(self, id: str) -> Audience:
        """The audience a path names, with the merge fields the recordings show for it."""
        if id not in self.simulator.audiences:
            made = self.simulator.add_audience("Audience", id=id)
            names = (self.name, *(name for name in FILES if name != self.name))
            answers = [e for name in names for e in exchanges(name) if f"{id}/merge-fields" in e["path"]]
            for given in answers[0]["response"]["merge_fields"] if answers else []:
                if given["tag"] not in {f.tag for f in made.merge_fields}:
                    made.add_merge_field(given["tag"], given["name"], given["type"], options=given["options"])
            shown = [m for name, m in recorded_members() if name == self.name and m["list_id"] == id]
            made.marketing_permissions = any("marketing_permissions" in m for m in shown)
            if shown:
                tags = set(shown[0]["merge_fields"])
                made.merge_fields = [f for f in made.merge_fields if f.tag in tags]
        return self.simulator.audiences[id]

    def seed(self, list_id: str, member: Exchange) -> None:
        made = self.simulator.add_member(
            member["email_address"],
            status=member["status"],
            merge=member["merge_fields"],
            tags=[tag["name"] for tag in member["tags"]],
            changed_at=datetime.fromisoformat(member["last_changed"]),
            audience=self.audience(list_id),
            source=member["source"],
        )
        made.merge = {f.tag: made.merge.get(f.tag, "") for f in self.audience(list_id).merge_fields}

    def send(self, exchange: Exchange) -> Reply:
        if "date" in exchange["headers"]:
            self.now = datetime.strptime(exchange["headers"]["date"], "%a, %d %b %Y %H:%M:%S GMT").replace(
                tzinfo=UTC
            )
        body = b"" if exchange["request"] is None else json.dumps(exchange["request"]).encode()
        headers = {"authorization": f"Bearer {self.simulator.key}"}
        request = Request(
            exchange["method"], exchange["path"], exchange["query"], headers, body, "http://127.0.0.1"
        )
        return self.simulator.answer(request)


def list_of(path: str) -> str | None:
    parts = path.split("/")
    return parts[3] if len(parts) > 3 and parts[2] == "lists" else None


def same_shape(ours: object, theirs: object, where: str) -> None:
    """Every recorded key is there with a value of the same JSON type; ours may have later keys."""
    if isinstance(theirs, dict):
        assert isinstance(ours, dict), where
        missing = set(theirs) - set(ours)
        extra = set(ours) - set(theirs) - LATER_KEYS
        assert not missing, f"{where}: {missing}"
        assert not extra, f"{where}: {extra}"
        for key, value in theirs.items():
            same_shape(ours[key], value, f"{where}.{key}")
    elif isinstance(theirs, list):
        assert isinstance(ours, list), where
        if theirs and ours and not where.endswith("_links"):
            same_shape(ours[0], theirs[0], f"{where}[]")
    elif isinstance(theirs, bool) or isinstance(ours, bool):
        assert type(ours) is type(theirs), where
    elif isinstance(theirs, int | float):
        assert isinstance(ours, int | float), where
    else:
        assert type(ours) is type(theirs), f"{where}: {ours!r} {theirs!r}"


def compare(exchange: Exchange, reply: Reply, *, state: bool = True) -> None:
    where = f"{exchange['method']} {exchange['path']} #{exchange['n']}"
    assert reply.status == exchange["status"], f"{where}: {reply.body[:300]!r}"
    theirs = exchange["response"]
    if theirs is None:
        assert reply.body == b"", where
        return
    ours = json.loads(reply.body)
    if reply.status >= 400:
        assert reply.headers["Content-Type"] == "application/problem+json; charset=utf-8"
        assert ours["instance"] == reply.headers["X-Request-Id"]
        assert set(theirs) <= set(ours) | {"type"}, where
        assert ours["title"] == theirs["title"]
        if "Please contact support" not in theirs["detail"]:  # the wording of 2020
            assert ours["detail"] == theirs["detail"]
        assert ours.get("errors") == theirs.get("errors")
        return
    same_shape(ours, theirs, where)
    if "unique_email_id" in theirs and state:
        for key in ("id", "email_address", "status", "merge_fields", "last_changed", "full_name"):
            if key in theirs:
                assert ours[key] == theirs[key], f"{where}.{key}"
        assert {t["name"] for t in ours["tags"]} == {t["name"] for t in theirs["tags"]}, where


@pytest.mark.parametrize("name", ORDERED)
def test_a_recorded_sequence_replayed_ends_in_the_same_states(name: str) -> None:
    replay = Replay(name)
    for exchange in replay.exchanges:
        list_id = list_of(exchange["path"])
        if list_id:
            replay.audience(list_id)
    first = next((e for e in replay.exchanges if "unique_email_id" in (e["response"] or {})), None)
    assert first is not None
    if first["method"] == "GET":
        replay.seed(str(list_of(first["path"])), first["response"])
    for exchange in replay.exchanges:
        reply = replay.send(exchange)
        if exchange["path"] == "/3.0/lists":
            exchange = {**exchange, "response": {**exchange["response"], "lists": []}}
        compare(exchange, reply)


def test_recorded_pages_of_members_are_answered_alike() -> None:
    replay = Replay("member_pages")
    whole = next(e for e in replay.exchanges if e["query"].get("sort_dir") == "ASC")
    for member in whole["response"]["members"]:
        replay.seed(member["list_id"], member)
    for exchange in replay.exchanges:
        reply = replay.send(exchange)
        compare(exchange, reply)
        if "members" in exchange["response"]:
            ours, theirs = json.loads(reply.body), exchange["response"]
            assert ours["total_items"] == theirs["total_items"], exchange["query"]
            assert [m["id"] for m in ours["members"]] == [m["id"] for m in theirs["members"]]


@pytest.mark.parametrize("start", [0, 2, 6, 8, 10])
def test_recorded_snippets_of_tags_and_archiving_are_answered_alike(start: int) -> None:
    replay = Replay("tag_and_archive_snippets")
    end = {0: 2, 2: 4, 6: 8, 8: 10, 10: 12}[start]
    write, look = replay.exchanges[start], replay.exchanges[end - 1]
    before = dict(look["response"])
    before["status"] = "archived" if write["method"] == "PUT" else "subscribed"
    tags = [] if start in (0, 10) else look["response"]["tags"]
    if start == 2:
        tags = [*tags, {"name": "list two"}]
    replay.seed(before["list_id"], {**before, "tags": tags})
    compare(write, replay.send(write), state=False)
    shown = replay.send(look)
    compare(look, shown, state=False)
    ours = json.loads(shown.body)
    assert ours["status"] == look["response"]["status"]
    assert {t["name"] for t in ours["tags"]} == {t["name"] for t in look["response"]["tags"]}
    assert ours["merge_fields"] == look["response"]["merge_fields"]


def test_recorded_refusals_are_answered_alike() -> None:
    for number, exchange in enumerate(exchanges("errors")):
        replay = Replay("errors")
        home = replay.audience(str(list_of(exchange["path"])))
        request = exchange["request"] or {}
        name = exchange["path"].rsplit("/", 1)[1]
        known = number in (2, 3, 7)  # about people who were there
        taken = number in (3, 6)  # about an address that was there
        if taken:
            replay.simulator.add_member(request["email_address"], audience=home)
        if known:
            address = (
                request.get("email_address", "somebody@example.com") if number == 2 else "old@example.com"
            )
            status = "archived" if exchange["method"] == "DELETE" else "subscribed"
            member = replay.simulator.add_member(address, status=status, audience=home)
            home.members[name] = home.members.pop(member.id)
        if number == 2:
            home.merge_fields = [f for f in home.merge_fields if f.tag != "USERID"]
        compare(exchange, replay.send(exchange))


def test_recorded_audiences_and_account_are_answered_alike() -> None:
    replay = Replay("account")
    replay.simulator.add_audience("Audience")
    metadata, lists = replay.exchanges
    request = Request(
        "GET", "/oauth2/metadata", {}, {"authorization": "OAuth simulated-oauth-token"}, b"", "http://x"
    )
    ours = json.loads(replay.simulator.answer(request).body)
    assert set(metadata["response"]) == set(ours)
    compare(lists, replay.send(lists))
