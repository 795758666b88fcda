"""`connections check` for people: per account a short block, problems with what to do about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sync.cli.output import say

if TYPE_CHECKING:
    from sync.run.checking import Checked

MOST_NAMED = 10
Line = tuple[str, str]


def tell_readiness(found: Sequence[Checked], *, rules_readable: bool) -> None:
    """Print every connection, and at the end how many are ready."""
    for one in found:
        state = "ready" if one.health.ok else "not ready"
        say(f"{one.connection} ({one.platform}): {state}")
        lines = list(_lines(one))
        width = max(len(label) for label, _ in lines)
        for label, text in lines:
            say(f"  {label:<{width}}  {text}")
        say()
    if not rules_readable:
        say("Some rule files cannot be read, so more may be asked of these accounts: see `segsync check`.")
    ready = sum(1 for one in found if one.health.ok)
    if not found:
        say("The config has no connection yet: add a section [connections.NAME].")
    elif ready == len(found):
        say("Every connection is ready. `segsync plan` shows what would be written.")
    else:
        say(f"{ready} of {len(found)} connections are ready. Mend what is named above and check again.")


def _lines(one: Checked) -> Iterator[Line]:
    health = one.health
    if health.account:
        yield "account", health.account
    yield from health.details.items()
    yield "asked for", _asked(one)
    if health.quota:
        yield "calls", health.quota
    for number, made in enumerate(health.creates):
        if number == MOST_NAMED:
            yield "", f"… and {len(health.creates) - MOST_NAMED:,} more"
            break
        yield "would make" if number == 0 else "", str(made)
    for grant in dict.fromkeys(lack.grant for lack in health.missing):
        for lack in health.missing:
            if lack.grant == grant:
                yield "MISSING", f"{lack.scope}: without it, {lack.blocks}"
        yield "what to do", f"{grant}."
    told = {str(lack) for lack in health.missing}
    for problem in health.problems:
        if problem not in told:
            yield "PROBLEM", problem
    for note in health.notes:
        yield "note", note


def _asked(one: Checked) -> str:
    """What the config and the rules want of the account, in a few words."""
    parts = ["reading"] if one.needs.read else []
    count = len(one.needs.audiences)
    if count:
        named = ", ".join(f"{number:,} as {kind}" for kind, number in one.kinds.items() if kind)
        noun = "segment" if count == 1 else "segments"
        parts.append(f"{count:,} {noun}{f' ({named})' if named else ''}")
    return ", ".join(parts) or "nothing: it is neither read nor named by a rule"
