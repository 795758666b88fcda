"""A plan that waits, for people: how much, whom for example, which rule is behind it, the likely cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sync.cli.output import say


def tell_held(found: Mapping[str, Any]) -> None:
    """Everything about one plan, as `sync.run.holding.held` gives it."""
    undoes = f" (undoes run {found['undoes']})" if found["undoes"] is not None else ""
    until = f"expired {found['expires']}" if found["expired"] else f"approve it until {found['expires']}"
    say(f"Plan {found['plan']}{undoes} holds {found['held']:,} changes; {until}; hash {found['hash']}")
    for message in found["brakes"]:
        say(f"  held: {message}")
    tell_parts(found)
    for message in found["dropped"]:
        say(f"  left out: {message}")
    say(f"  let it go: segsync approve {found['plan']}; turn it down: segsync reject {found['plan']}")


def tell_parts(found: Mapping[str, Any]) -> None:
    """Only its audiences. People are numbers."""
    for part in found["parts"]:
        say(f"  {part['segment']} → {part['connection']}: {part['adds']:,} enter, {part['removes']:,} leave")
        if part["rule"] is not None:
            say(f"    rule: {part['rule']['file']}:{part['rule']['line']}: {part['rule']['when']}")
        say(f"    cause: {part['cause'].replace('_', ' ')}: {part['why']}")
        for edit in part["edits"]:
            say(f"    edited by {_author(edit)} (version {edit['version'][:12]}): {edit['check']}")
        for half, word in (("sample_adds", "enter"), ("sample_removes", "leave")):
            if part[half]:
                say(f"    {word}, for example people {', '.join(map(str, part[half]))}")


def _author(edit: Mapping[str, Any]) -> str:
    """A commit's author or a file's owner, and who that is by the config."""
    author = edit["author"]
    if author is None:
        return "somebody; an older segsync stored it"
    how = "by commit" if author["committed"] else "by the file's owner"
    also = f", {edit['person']} in the config" if edit["person"] not in (None, author["name"]) else ""
    return f"{author['name']} ({how}{also})"
