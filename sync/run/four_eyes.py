"""Who approves what a rule edit does is not who edited the rule, where the config asks for that.

An author is a commit's name and address or the login of a file's owner, an approver a login or a name given
with --by; `[approval.people]` says which of them are one person. What cannot be told counts as forbidden: a
reason that is given instead lets it go, and stays in the audit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rules.language import sent
from sync.approval import Only, Selection
from sync.authors import authors, unread_repository
from sync.config import ApprovalSettings, Settings
from sync.errors import UserError
from sync.run.causes import Cause
from sync.run.workspace import Workspace
from sync.store import Author, Store
from sync.store.plans import Plan


@dataclass(frozen=True, slots=True)
class Edit:
    """A wording of a rule that moved held people. `author` None: it was stored before authors were."""

    segment: str
    version: str
    place: str
    author: Author | None


def edits(store: Store, shown: Plan, selection: Selection | None = None) -> Iterator[Edit]:
    """The rule edits behind what the plan holds, or behind the part of it that `selection` picks."""
    parts = shown.summary.get("parts")
    told: dict[tuple[str, str], Edit] = {}
    for part in parts if isinstance(parts, list) else ():
        rule = part["rule"]
        halves = {Only.ADDS: part["adds"], Only.REMOVES: part["removes"]}
        picked = selection is None or any(
            count and selection.picks(part["segment"], part["connection"], half)
            for half, count in halves.items()
        )
        if rule is None or part["cause"] != Cause.RULE_EDIT or not picked:
            continue
        wrote = {one.version: one.author for one in store.segments.versions(part["segment"])}
        for version in part.get("edits", [rule["version"]]):
            key = part["segment"], version
            told[key] = Edit(*key, f"{rule['file']}:{rule['line']}", wrote.get(version))
    yield from told.values()


def checked(
    workspace: Workspace, shown: Plan, selection: Selection, *, by: str, login: str, override: str | None
) -> dict[str, Any]:
    """What the audit keeps of an override, nothing if none was needed; UserError if one is.

    `login`: whose session it is, "" if nobody's; --by does not make an author somebody else.
    """
    approval = workspace.settings.approval
    if override is not None and not override.strip():
        raise UserError('--override needs a reason, such as --override "looked at with Bo on the phone"')
    if not approval.four_eyes:
        return {}
    found = list(edits(workspace.store, shown, selection))
    against = {edit: why for edit in found if (why := objection(approval, edit, by=by, login=login))}
    if not against:
        return {}
    if override is None:
        raise UserError(
            f"plan {shown.id} waits for somebody else than who edited the rules; nothing was sent. Ask "
            f"another person to look at `segsync held {shown.id}` and to approve it (segsync approve "
            f'{shown.id} --by NAME), or say why it goes without: --override "reason"; the audit keeps it',
            problems=tuple(
                f"{edit.place}: rule {edit.segment}, version {edit.version[:12]}: {why}"
                for edit, why in against.items()
            ),
        )
    return {
        "override": override.strip(),
        "login": login,
        "edits": [
            {
                "segment": edit.segment,
                "version": edit.version,
                "author": asdict(edit.author) if edit.author else None,
            }
            for edit in against
        ],
    }


def objection(approval: ApprovalSettings, edit: Edit, *, by: str, login: str) -> str | None:
    """Why `by`, in the session of `login`, must not approve what the edit does; None: may."""
    if edit.author is None:
        return "segsync does not know who edited it, for it was stored by an older version"
    for name in dict.fromkeys((by, login)):
        if name and _same(approval, edit.author, name):
            also = "" if name == by else f" {by} is given with --by, but"
            return f"{name} edited it;{also} an edit is approved by somebody else"
    if not _known(approval, edit.author):
        return "who edited it is nobody in [approval.people], and may be whoever approves; name them there"
    if approval.people and approval.person(by) is None:
        return f"{by} is nobody in [approval.people], and may be who edited it; name them there"
    return None


def documents(workspace: Workspace, shown: Plan) -> Mapping[str, list[dict[str, Any]]]:
    """Segment → the edits behind what is held of it, with their authors, for whoever looks at the plan."""
    approval = workspace.settings.approval
    found: dict[str, list[dict[str, Any]]] = {}
    for edit in edits(workspace.store, shown):
        author = edit.author
        found.setdefault(edit.segment, []).append(
            {
                "version": edit.version,
                "author": asdict(author) if author else None,
                "person": approval.person(*_names(author)) if author else None,
                "check": _check(approval, edit),
            }
        )
    return found


def doubts(settings: Settings) -> Iterator[str]:
    """Why the check, if it is asked for, could not be made of a rule file as it is now."""
    folder = settings.rules_dir
    unread = unread_repository(folder)
    if unread is not None:
        yield f"the rules lie in a git repository, but {unread}: the owner of a file counts as its author"
    for file, author in authors(folder, {one.file for one in sent(folder)[0]}).items():
        if author is not None and not _known(settings.approval, author):
            how = "who committed it last" if author.committed else "its owner"
            yield f"{file}: {how} is nobody in [approval.people]"


# ── inner ────────────────────────────────────────────────────────────────────────────────────────────


def _check(approval: ApprovalSettings, edit: Edit) -> str:
    """For whoever looks at a held plan."""
    if not approval.four_eyes:
        return "anybody may approve: four eyes are not asked for"
    if edit.author is None or not _known(approval, edit.author):
        return "cannot be checked: name the author in [approval.people], or approve with --override"
    return "somebody else has to approve"


def _same(approval: ApprovalSettings, author: Author, name: str) -> bool:
    person = approval.person(*_names(author))
    if person is not None:
        return approval.person(name) == person
    return name.strip().casefold() in {one.casefold() for one in _names(author)}


def _known(approval: ApprovalSettings, author: Author) -> bool:
    """Whether it can be told of everybody if they are the author. Logins compare without any list."""
    if approval.people:
        return approval.person(*_names(author)) is not None
    return not author.committed


def _names(author: Author) -> tuple[str, ...]:
    """All that an author may be called, surest first."""
    return tuple(name for name in (author.email, author.name) if name)
