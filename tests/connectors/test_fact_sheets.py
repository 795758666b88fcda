"""Every platform's folder opens with a fact sheet that says how sure each of its facts is."""

from __future__ import annotations

import importlib

import pytest

from connectors.registry import platforms

FACTS = ("API", "Limits", "Scopes", "Traps")
OURS = "What segsync does"
MARKS = ("recorded: ", "documented: ", "unverified: ")


def sections(name: str) -> dict[str, list[str]]:
    """Heading → its entries, lines that continue one joined to it."""
    sheet = str(importlib.import_module(f"connectors.{name}").__doc__)
    found: dict[str, list[str]] = {}
    lines, here = sheet.splitlines(), ""
    for line in lines[next(n for n, one in enumerate(lines) if one in FACTS) :]:
        if line.startswith("- "):
            found[here].append(line.removeprefix("- "))
        elif line.startswith("  "):
            found[here][-1] += f" {line.strip()}"
        elif line:
            here = line
            found[here] = []
    return found


@pytest.mark.parametrize("name", platforms())
def test_a_fact_sheet_has_all_headings(name: str) -> None:
    assert list(sections(name)) == [*FACTS, OURS]
    assert all(sections(name).values())


@pytest.mark.parametrize("name", platforms())
def test_every_fact_says_how_sure_it_is(name: str) -> None:
    found = sections(name)
    unmarked = [fact for heading in FACTS for fact in found[heading] if not fact.startswith(MARKS)]
    assert unmarked == []
    assert not [entry for entry in found[OURS] if entry.startswith(MARKS)]


@pytest.mark.parametrize("name", ["hubspot", "klaviyo", "mailchimp", "salesforce"])
def test_a_sheet_that_is_sure_of_everything_is_not_believed(name: str) -> None:
    marks = {fact.split(":")[0] for heading in FACTS for fact in sections(name)[heading]}
    assert marks == {mark.strip(": ") for mark in MARKS}
