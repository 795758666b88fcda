"""Asks the org who we are and what our user may do, by descriptions and queries alone; changes nothing.

Salesforce has no scopes but the login's `api`: what counts are the permissions of the user we run as. The
description of an object tells what our user may do with it, and UserPermissionAccess which system permissions
it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from connectors.base import AudienceKind, RemoteAudience
from connectors.checking import Findings, to_create
from connectors.errors import ConnectorError
from connectors.health import Creation, Health, Needs
from connectors.salesforce.answers import Refused, judged
from connectors.salesforce.catalog import OPT_OUT, Catalog
from connectors.salesforce.client import Client
from connectors.salesforce.field import LABEL, OBJECTS, OwnField
from connectors.salesforce.reading import Reader, quoted
from connectors.salesforce.settings import Settings

API_DISABLED = "API_DISABLED_FOR_ORG"
CUSTOMIZE = "PermissionsCustomizeApplication"
MANAGE_SETS = "PermissionsManageProfilesPermissionsets"
HARD_DELETE = "PermissionsBulkApiHardDelete"
CALLED: Mapping[str, str] = {
    CUSTOMIZE: "Customize Application",
    MANAGE_SETS: "Manage Profiles and Permission Sets",
    HARD_DELETE: "Bulk API Hard Delete",
}
"""System permission → its name in Setup."""
USED_FOR: Mapping[str, str] = {
    "Task": "no tasks come in",
    "Event": "no meetings come in",
    "CampaignMember": "nobody's campaign responses come in",
    "OpportunityContactRole": "no opportunities come in",
    "Opportunity": "opportunities come in without amount and stage",
    "Account": "contacts come without the facts of their account",
}
"""Object → what is not read if our user cannot see it; the rest goes on."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What of the connection is asked."""

    client: Client
    catalog: Catalog
    reader: Reader
    field: OwnField
    settings: Settings


GRANT = "In Setup, open a permission set of segsync's user (the run-as user) and tick it"
CAMPAIGN_GRANT = f"{GRANT}; in many orgs that user must be a Marketing User, too"
MEMBER_GRANT = f"{GRANT}; rights on members follow those on Campaign, so tick Edit there"


class Checker:
    """One check of one org."""

    def __init__(self, parts: Parts, needs: Needs) -> None:
        self._parts = parts
        self._needs = needs
        self._found = Findings(GRANT)

    def check(self) -> Health:
        """Login, org, rights and quota; what is wrong comes as sentences, not as an exception."""
        found = self._found
        try:
            self._who()
            self._reading()
            if self._needs.audiences:
                self._opt_outs()
            if self._of(AudienceKind.CAMPAIGN):
                self._campaigns()
            if self._of(AudienceKind.FIELD):
                self._field()
            if self._parts.settings.hard_delete:
                self._allowed(HARD_DELETE, "nobody can be erased for good (or set hard_delete = false)")
            self._quota()
        except ConnectorError as error:
            if API_DISABLED in str(error):
                found.lack(
                    "API Enabled",
                    "segsync cannot call this org at all",
                    "In Setup, tick API Enabled in the profile or a permission set of segsync's user;"
                    " editions below Enterprise have no API unless it was bought",
                )
            else:
                found.problems.append(str(error))
        except Refused as refused:
            found.problems.append(str(judged(refused)))
        return found.health()

    def _of(self, kind: AudienceKind) -> bool:
        return bool(self._needs.of(kind, default=AudienceKind.CAMPAIGN))

    def _who(self) -> None:
        for rows in self._parts.reader.scan("Organization", ("Name", "OrganizationType")):
            self._found.account = str(rows[0]["Name"])
            self._found.details = {
                "organization": str(rows[0]["Id"]),
                "edition": str(rows[0]["OrganizationType"]),
            }

    def _reading(self) -> None:
        catalog = self._parts.catalog
        hidden = [object for object in OBJECTS if not catalog.fields(object)]
        if len(hidden) == len(OBJECTS):
            for object in hidden:
                self._found.lack(f"Read on {object}", "there are no people to read and none to write to")
        elif hidden:
            self._found.notes.append(f"segsync's user may not read {hidden[0]}, so none of them come in")
        if not self._needs.read:
            return
        for object, blocks in USED_FOR.items():
            if not catalog.fields(object):
                self._found.notes.append(f"segsync's user may not read {object}, so {blocks}")

    def _opt_outs(self) -> None:
        if self._parts.settings.write_without_opt_out:
            self._found.notes.append(
                "write_without_opt_out is on: opt-outs that cannot be read do not hold us"
            )
            return
        for object in self._parts.catalog.blind():
            field = f"{object}.{OPT_OUT}"
            self._found.lack(
                f"Read on the field {field}",
                "nobody's opt-out is known, so nobody is written to",
                f"In Setup, open a permission set of segsync's user, then {object}, and tick Read for"
                " Email Opt Out",
            )

    # ---- audiences -------------------------------------------------------------------------------

    def _campaigns(self) -> None:
        catalog = self._parts.catalog
        if not catalog.fields("Campaign"):
            self._found.lack("Read on Campaign", "campaigns of ours can neither be found nor filled")
            return
        there = [one for rows in self._parts.reader.scan("Campaign", ("Name",)) for one in rows]
        remote = [RemoteAudience(str(r["Id"]), str(r["Name"]), AudienceKind.CAMPAIGN, None) for r in there]
        wanted = self._needs.of(AudienceKind.CAMPAIGN, default=AudienceKind.CAMPAIGN)
        made = to_create(wanted, remote, "campaign")
        self._found.creates.extend(made)
        unnamed = any(not one.name for one in wanted)
        if (made or unnamed) and not catalog.may("Campaign", "createable"):
            self._found.lack(
                "Create on Campaign",
                "new campaigns cannot be made",
                CAMPAIGN_GRANT,
            )
        for right, flag, blocks in (
            ("Create on CampaignMember", "createable", "nobody can be put into a campaign"),
            ("Delete on CampaignMember", "deletable", "nobody can be taken out of a campaign"),
        ):
            if not catalog.may("CampaignMember", flag):
                self._found.lack(
                    right,
                    blocks,
                    MEMBER_GRANT,
                )

    def _field(self) -> None:
        field, catalog, settings = self._parts.field, self._parts.catalog, self._parts.settings
        for object in OBJECTS:
            if catalog.fields(object) and not catalog.may(object, "updateable"):
                self._found.lack(f"Edit on {object}", f"no value can be written into {object}.{field.name}")
        absent = [object for object in OBJECTS if field.name not in catalog.fields(object)]
        if not absent or not settings.create_field:
            self._found.problems.extend(field.problems())
            return
        for object in absent:
            self._found.creates.append(Creation("multi-select picklist field", field.name, LABEL, object))
        self._allowed(
            CUSTOMIZE,
            f"{field.name} cannot be made (or set create_field = false, and an admin makes the field)",
        )
        self._allowed(
            MANAGE_SETS, f"{field.name} would stay hidden from everybody once it is made, us included"
        )
        name = str(settings.permission_set)
        if not any(self._parts.reader.scan("PermissionSet", (), f"Name = {quoted(name)}")):
            self._found.problems.append(
                f"there is no permission set with the API name {name}, which would show the new field to us:"
                " make it in Setup and assign it to segsync's user, or name another in permission_set"
            )

    # ---- system permissions and the quota ----------------------------------------------------------

    def _allowed(self, permission: str, blocks: str) -> None:
        """One query; an org that does not tell is left with a note."""
        try:
            rows = self._parts.client.query(f"SELECT {permission} FROM UserPermissionAccess")["records"]
        except Refused:
            rows = []
        if not rows:
            self._found.notes.append(
                f"the org does not tell whether segsync's user has {CALLED[permission]}; without it {blocks}"
            )
        elif not rows[0].get(permission):
            self._found.lack(CALLED[permission], blocks)

    def _quota(self) -> None:
        quota = self._parts.client.limits()["DailyApiRequests"]
        left, most = int(quota.get("Remaining") or 0), int(quota.get("Max") or 0)
        share = self._parts.settings.daily_reserve
        self._found.quota = (
            f"{left:,} of {most:,} left of these 24 hours, shared with every tool of the org;"
            f" {share:.0%} are kept for the others (daily_reserve)"
        )
        if left <= most * share:
            self._found.problems.append(
                f"only {left:,} of {most:,} calls are left, and {share:.0%} are kept for other tools:"
                " nothing runs until the quota recovers"
            )


def blind(catalog: Catalog, settings: Settings) -> Iterator[str]:
    """Why opt-outs cannot be seen, in sentences."""
    if settings.write_without_opt_out:
        return
    for object in catalog.blind():
        yield (
            f"our user cannot see {object}.{OPT_OUT}, so nobody's opt-out is known and nobody is written to:"
            " grant read access to the field in the user's permission set"
        )
