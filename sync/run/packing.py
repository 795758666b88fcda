"""`packs list` and `packs add`: a rule pack copied into the rules folder, if the rules stay right with it."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rules.language import Problem, defined, load
from rules.packs import Pack, fitting, ids_of, names, pack, prefixed, with_activity
from rules.vocabulary import Vocabulary
from sync.assign import is_error, is_note
from sync.config.problems import did_you_mean
from sync.errors import UserError
from sync.run.needed import AtHand, Found
from sync.run.supposed import rules_with
from sync.run.workspace import Workspace

_PREFIX = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ACTIVITY = re.compile(r"[a-z][a-z0-9_]*")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*\.toml")


@dataclass(frozen=True, slots=True)
class Listed:
    """A pack, and what the data has of what it needs. `found`: None if there is no connection yet."""

    pack: Pack
    found: tuple[Found, ...] | None

    def document(self) -> dict[str, object]:
        """As JSON. `ready`: all of it can be added; None: not known yet."""
        return {
            "name": self.pack.name,
            "title": self.pack.title,
            "kind": self.pack.kind,
            "summary": self.pack.summary,
            "segments": list(self.pack.segments),
            "ready": None if self.found is None else all(one.usable for one in self.found),
            "needs": [need.name for need in self.pack.needs],
            "at_hand": None if self.found is None else [one.document() for one in self.found],
        }


@dataclass(frozen=True, slots=True)
class Added:
    """A pack that was copied. `left_out`: segments and tiers whose fields are missing. `warnings`: of the new
    file. `elsewhere`: errors that other rule files had before."""

    pack: Pack
    file: Path
    segments: tuple[str, ...]
    left_out: tuple[str, ...]
    found: tuple[Found, ...]
    warnings: tuple[Problem, ...]
    elsewhere: int

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "pack": self.pack.name,
            "file": str(self.file),
            "segments": list(self.segments),
            "left_out": list(self.left_out),
            "needs": [one.document() for one in self.found],
            "warnings": [str(problem) for problem in self.warnings],
            "problems_elsewhere": self.elsewhere,
        }


def the_pack(name: str) -> Pack:
    """The pack of this name. UserError with the nearest if there is none."""
    try:
        return pack(name)
    except KeyError:
        raise UserError(f"there is no pack {name}{did_you_mean(name, names())}") from None


def listed(workspace: Workspace | None) -> list[Listed]:
    """Every pack; `workspace`: None if there is no config."""
    packs = [pack(name) for name in names()]
    if workspace is None or not workspace.settings.connections:
        return [Listed(one, None) for one in packs]
    hand = AtHand.of(workspace, [need for one in packs for need in one.needs])
    return [Listed(one, hand.found(one.needs)) for one in packs]


def add(
    workspace: Workspace,
    name: str,
    *,
    file: str | None = None,
    prefix: str = "",
    partly: bool = False,
    activity: Sequence[str] = (),
) -> Added:
    """Copy a pack into the rules folder, as `file`; never over a file that is there.

    `prefix`: before all its ids. `partly`: without the rules whose fields are missing. `activity`: what
    stands for an activity, as "purchase=deal_won". UserError, and nothing is written, if a file or an id is
    taken, a field is missing (and not `partly`), or rules would be wrong.
    """
    chosen = _with(the_pack(name), activity)
    folder = workspace.settings.rules_dir
    target = folder / _file_name(chosen, file)
    _has_place(target, chosen)
    hand = AtHand.of(workspace, chosen.needs)
    found = hand.found(chosen.needs)
    text, left_out = chosen.rules, tuple[str, ...]()
    lacking = [one for one in found if not one.usable]
    if lacking and not partly:
        raise _lacks(chosen, lacking)
    if lacking:
        text, left_out = fitting(text, hand.vocabulary)
    if not any(ids_of(text)[kind] for kind in ("segment", "tiers")):
        raise UserError(
            f"nothing of the pack {name} can work on this data; nothing was changed",
            problems=tuple(_lines(lacking)),
        )
    if prefix:
        text = prefixed(text, _checked_prefix(prefix))
    _no_clash(text, target, hand.vocabulary, chosen)
    before = load(folder, hand.vocabulary)
    after = rules_with(folder, Path(target.name), text.encode(), hand.vocabulary)
    known = set(before.errors)
    if new := [one for one in after.errors if one.file == target.name or one not in known]:
        raise UserError(
            f"with the pack {name} the rules have problems; nothing was changed",
            problems=tuple(str(problem) for problem in new),
        )
    _write(target, text, chosen)
    mine = tuple(p for p in after.problems if p.file == target.name and not is_error(p) and not is_note(p))
    there = [one for one in defined(target) if "/" in one or one in ids_of(text)["segment"]]
    return Added(chosen, target, tuple(there), left_out, found, mine, len(after.errors))


def _with(chosen: Pack, activity: Sequence[str]) -> Pack:
    for one in activity:
        name, equals, other = one.partition("=")
        if not (equals and _ACTIVITY.fullmatch(other)):
            raise UserError(
                f"--with takes the pack's activity and yours, such as purchase=deal_won, not {one}"
            )
        try:
            chosen = with_activity(chosen, name, other)
        except ValueError as error:
            raise UserError(f"--with {one}: {error}") from None
    return chosen


def _file_name(chosen: Pack, file: str | None) -> str:
    name = file or f"pack-{chosen.name}.toml"
    if not _NAME.fullmatch(name):
        raise UserError(
            f"--as takes the name of a file in the rules folder, such as my-{chosen.name}.toml, not {name}"
        )
    return name


def _checked_prefix(prefix: str) -> str:
    if not _PREFIX.fullmatch(prefix.removesuffix("-")):
        raise UserError(f"--prefix takes small letters, digits and -, such as shop, not {prefix}")
    return prefix.removesuffix("-")


def _has_place(target: Path, chosen: Pack) -> None:
    folder = target.parent
    if not folder.exists():
        raise UserError(
            f"there is no rules folder {folder}; make it, or let `segsync init` make one with examples"
        )
    if not folder.is_dir():
        raise UserError(
            f"rules_dir names the file {folder}; name a folder there, with this file in it, to add packs"
        )
    if target.exists():
        raise UserError(
            f"{target} is there already; nothing was changed. To have the pack as it ships again, move that "
            f"file away first; to have it twice, use --as my-{chosen.name}.toml --prefix my"
        )


def _lacks(chosen: Pack, lacking: Sequence[Found]) -> UserError:
    shown = ", ".join(one.need.name for one in lacking)
    return UserError(
        f"the pack {chosen.name} needs what is not there: {shown}; nothing was changed. Map it as said above "
        f"(`segsync packs show {chosen.name}` tells how on each platform) and try again, or add "
        "--partly to leave out the rules that need it",
        problems=tuple(_lines(lacking)),
    )


def _lines(lacking: Sequence[Found]) -> Iterator[str]:
    for one in lacking:
        types = f", {' or '.join(one.need.types)}" if one.need.types else ""
        yield f"{one.need.name} ({one.need.kind}{types}: {one.need.meaning}) is {one.state}:"
        for line in one.mend:
            yield f"    {line}"


def _no_clash(text: str, target: Path, vocabulary: Vocabulary, chosen: Pack) -> None:
    """UserError with every id of the file that has a meaning already."""
    taken = defined(target.parent)
    names = {*vocabulary.fields, *vocabulary.kinds, *vocabulary.records, *vocabulary.places}
    clashes = []
    for kind, ids in ids_of(text).items():
        for id_ in ids:
            if id_ in taken:
                clashes.append(f"{id_}: already used at {taken[id_]}")
            elif kind in ("field", "score") and id_ in names:
                clashes.append(f"{id_}: already a name of the vocabulary")
    if clashes:
        raise UserError(
            f"ids of the pack {chosen.name} are taken; nothing was changed. Give them a beginning of their "
            f"own: segsync packs add {chosen.name} --as {target.name} --prefix my",
            problems=tuple(clashes),
        )


def _write(target: Path, text: str, chosen: Pack) -> None:
    """All of the file at once: whoever reads the folder meanwhile sees none of it. Overwrites nothing."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=target.parent, prefix=".segsync-"
    ) as temporary:
        temporary.write(text)
        temporary.flush()
        os.fsync(temporary.fileno())
        os.chmod(temporary.name, 0o644)
        try:
            os.link(temporary.name, target)
        except FileExistsError:
            raise UserError(f"{target} was made by somebody else meanwhile; nothing was changed") from None
        except OSError as error:
            raise UserError(
                f"{target} cannot be written ({error.strerror}); nothing was changed. "
                f"`segsync packs show {chosen.name} --rules` prints the rules, to be put there by hand"
            ) from error
