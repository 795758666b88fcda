"""How many people can be mailed, and at which step the others drop out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from connectors.base import Consent
from sync.identify.sql import text_literal
from sync.quality.said import LIVING, Said


@dataclass(frozen=True, slots=True)
class Step:
    """`people` are left after the step, `lost` dropped out by it."""

    name: str
    people: int
    lost: int


STEPS = (
    "all people",
    "with a valid address",
    "who consented, now or once",
    "whose mail does not bounce",
    "not suppressed",
)


def waterfall(said: Said) -> tuple[Step, ...]:
    """Each step is taken by those the step before left. The last number is who can be mailed.

    Consented: a platform says so, and none is still waiting for the answer. Who bounced or opted out drops
    out by those steps, not by this one: what is left at the end has consented all the same. Bounced and
    opted out: by any platform. quality_addresses must have been made, unless nobody gives an address.
    """
    emails = said.build("email")
    valid = "SELECT 0 AS contact WHERE false"
    if emails is not None:
        valid = f"SELECT contact FROM {emails} JOIN quality_addresses USING (value) WHERE valid"
    in_, out, bounced, pending = (
        f"bool_or(coalesce(email_consent = {text_literal(state)}, false))"
        for state in (Consent.OPTED_IN, Consent.OPTED_OUT, Consent.UNDELIVERABLE, Consent.PENDING)
    )
    counts = said.database.sql(
        f"""SELECT count(*), count(*) FILTER (valid), count(*) FILTER (valid AND consented),
            count(*) FILTER (valid AND consented AND NOT bounced),
            count(*) FILTER (valid AND consented AND NOT bounced AND NOT opted_out)
        FROM (
            SELECT person, bool_or(contact IN ({valid})) AS valid
            FROM {said.links} AS links JOIN {said.contacts} AS contacts USING (contact)
            WHERE {LIVING} GROUP BY person
        ) JOIN (
            SELECT person, {bounced} AS bounced, {out} AS opted_out,
                ({in_} AND NOT {pending}) OR {bounced} OR {out} AS consented
            FROM {said.consents} GROUP BY person
        ) USING (person)"""
    ).fetchall()[0]
    left = [int(count) for count in counts]
    lost = [0, *(before - after for before, after in pairwise(left))]
    return tuple(Step(name, people, gone) for name, people, gone in zip(STEPS, left, lost, strict=True))
