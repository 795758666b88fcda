"""The approver is not the author of the rule change; an override needs a reason and is audited."""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import Any

from tests.scenarios.company import Company, emails, join, people, segment

EVERYONE = range(1, 6)
ANN, BOB = ("Ann Author", "ann@team.example"), ("Bob Buyer", "bob@team.example")
TEAM = '\n[approval.people]\nann = ["ANN@team.example"]\nbob = ["bob@team.example", "bobby"]\n'
ME = pwd.getpwuid(os.getuid()).pw_name


def git(firm: Company, *words: str, by: tuple[str, str] = ANN) -> None:
    identity = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in zip(("NAME", "EMAIL"), by, strict=True)
    }
    subprocess.run(
        ["git", *words], cwd=firm.folder, env={**os.environ, **identity}, check=True, capture_output=True
    )


def commit(firm: Company, by: tuple[str, str]) -> None:
    git(firm, "add", "rules")
    git(firm, "commit", "-m", "rules", by=by)


def start(firm: Company, config: str = TEAM) -> None:
    """Five Germans on the newsletter, by a rule that Bob committed."""
    firm.write_config(config)
    firm.customers(people(EVERYONE))
    firm.orders([])
    firm.rules(segment("germans", 'country = "DE"'))
    git(firm, "init", "-q")
    commit(firm, BOB)
    join(firm.newsletter, EVERYONE)
    firm.run()
    firm.later(minutes=10)


def edit(firm: Company, when: str = 'country = "PT"', *, by: tuple[str, str] | None = ANN) -> str:
    """The rule is edited so that nobody is left, and committed by somebody; the number of the held plan."""
    firm.rules(segment("germans", when))
    if by is not None:
        commit(firm, by)
    report = firm.run(code=3)
    assert report["held"] == 5
    return str(report["plan"])


def decisions(firm: Company) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = firm.segsync("status", "--format", "json").document["decisions"]
    return found


def test_the_author_of_the_edit_is_refused_and_another_person_lets_it_go(firm: Company) -> None:
    start(firm)
    plan = edit(firm)
    version = firm.segsync("held", plan, "--format", "json").document["held"][0]["parts"][0]["rule"][
        "version"
    ]
    refused = firm.segsync("approve", plan, "--by", "Ann")
    assert refused.code == 1
    assert f"rule germans, version {version[:12]}" in refused.err
    assert "Ann edited it" in refused.err
    for step in (f"segsync held {plan}", "--by NAME", "--override"):
        assert step in refused.err
    told = firm.segsync("held", plan).out
    assert "edited by Ann Author (by commit, ann in the config)" in told
    assert "somebody else has to approve" in told
    with firm.open() as workspace:
        kept = repr(workspace.store.runs.latest()) + repr(workspace.store.plans.get(int(plan)))
    for identity in ANN:
        assert identity not in kept + refused.said
    assert not decisions(firm)
    assert firm.tagged("germans") == emails(EVERYONE)
    done = firm.segsync("approve", plan, "--by", "bobby")
    assert done.code == 0, done.said
    assert firm.tagged("germans") == set()
    assert [one["override"] for one in decisions(firm)] == [None]


def test_an_override_needs_a_reason_and_is_kept_and_shown(firm: Company) -> None:
    """Nor does a rewording by somebody else, who moved nobody, free the author."""
    start(firm)
    edit(firm)
    firm.later(minutes=10)
    plan = edit(firm, 'country = "PT" or country = "AO"', by=BOB)
    assert firm.segsync("approve", plan, "--by", "ann").code == 1
    assert firm.segsync("approve", plan, "--by", "ann", "--override", " ").code == 1
    done = firm.segsync("approve", plan, "--by", "ann", "--override", "Bo is ill", "--format", "json")
    assert done.code == 0, done.said
    assert any("the audit keeps why" in notice for notice in done.document["notices"])
    with firm.open() as workspace:
        (noted,) = workspace.store.decisions.latest()
        (_, version, _) = workspace.store.segments.versions("germans")
    assert noted.data is not None
    assert (noted.by, noted.data["override"], noted.data["login"]) == ("ann", "Bo is ill", ME)
    assert noted.data["edits"] == [
        {
            "segment": "germans",
            "version": version.version,
            "author": {"name": ANN[0], "email": ANN[1], "committed": True},
        }
    ]
    assert decisions(firm)[0]["override"] == "Bo is ill"
    assert "approved by ann without a second person: Bo is ill" in firm.segsync("status").out


def test_a_hold_that_no_edit_caused_needs_nobody_else(firm: Company) -> None:
    start(firm)
    firm.customers(people(EVERYONE, country="FR"))
    report = firm.run(code=3)
    assert firm.segsync("approve", str(report["plan"]), "--by", "bob").code == 0
    assert firm.tagged("germans") == set()


def test_a_team_that_names_nobody_approves_its_own_edits_and_can_see_it(firm: Company) -> None:
    start(firm, "")
    plan = edit(firm)
    assert "four eyes are not asked for" in firm.segsync("held", plan).out
    assert firm.segsync("approve", plan, "--by", "ann").code == 0
