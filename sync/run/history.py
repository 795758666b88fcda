"""`history`: the wordings a segment has had, and why people entered and left: edit, data or time.

Told apart exactly, by asking the earlier rules again: over the earlier data at the later instant (what
differs is the work of time alone), then over the later data (of the data); what is left is the work of the
edit. Where the earlier rules cannot be had again, since a text that they use is not kept, the later ones are
asked: over the earlier data at the earlier instant (of the edit), then at the later instant (of time); what
is left is of the data. Whoever moved more than once on that way is counted where they moved last.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

from pyroaring import BitMap

from rules.language import load, rule_files
from rules.language.rewrite import CannotRewriteError, rewritten
from rules.language.ruletext import RuleText
from rules.ruleset import RuleSet
from rules.vocabulary import Vocabulary
from sync.config.problems import did_you_mean
from sync.errors import UserError
from sync.progress import SILENT, Progress
from sync.run.edited import edited_between
from sync.run.past import Moment, closure, members_at, moment_of
from sync.run.rulebook import known_rules
from sync.run.workspace import Workspace
from sync.store import Membership
from sync.store.segments import Wording

_LOST = "neither the earlier nor the later rule can be asked again: what they use was edited once more"
_GONE = "the lake as it was is not kept any more (keep_lake_days)"


class Why(StrEnum):
    """What moved people. DATA_OR_TIME: the earlier data is gone. UNTOLD: see the change's `note`."""

    EDIT = "edit"
    DATA = "data"
    TIME = "time"
    DATA_OR_TIME = "data_or_time"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class Change:
    """Where a segment's members differ from one run to the next. `causes`: who entered and left, by why.
    `edited`: whose edit made the rule another one; of several that may have, each."""

    run: int
    as_of: dt.datetime
    version: str
    size: int
    causes: Mapping[Why, tuple[BitMap, BitMap]]
    note: str = ""
    edited: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "run": self.run,
            "as_of": self.as_of.isoformat(),
            "version": self.version,
            "size": self.size,
            "enter": sum(len(enter) for enter, _ in self.causes.values()),
            "leave": sum(len(leave) for _, leave in self.causes.values()),
            "causes": {
                why.value: {"enter": len(enter), "leave": len(leave)}
                for why, (enter, leave) in self.causes.items()
                if enter or leave
            },
            "edited": list(self.edited),
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class History:
    """Newest first."""

    segment: str
    wordings: Sequence[Wording]
    changes: Sequence[Change]

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "segment": self.segment,
            "versions": [
                {
                    "version": one.version.version,
                    "text": one.version.source,
                    "first_run": one.first_run,
                    "first_as_of": one.first_as_of.isoformat(),
                    "last_run": one.last_run,
                    "last_as_of": one.last_as_of.isoformat(),
                }
                for one in self.wordings
            ],
            "changes": [one.document() for one in self.changes],
        }


def history(workspace: Workspace, segment: str, *, limit: int = 10, progress: Progress = SILENT) -> History:
    """The segment's wordings, and its last `limit` changes with their causes. UserError if it never ran."""
    store = workspace.store
    wordings = store.segments.wordings(segment)
    if not wordings:
        raise UserError(
            f"no run has computed a segment {segment}{did_you_mean(segment, store.segments.latest())}"
        )
    vocabulary, rules = known_rules(workspace)
    pairs = list(pairwise(store.segments.history(segment, limit=limit + 1)))
    progress.step("ask earlier rules", len(pairs))
    changes = []
    for after, before in pairs:
        asking = Asking(workspace, vocabulary, rules, segment)
        changes.append(asking.change(before, after))
        progress.advance()
    return History(segment, wordings, changes)


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks a segment's rule again as earlier runs had it."""

    workspace: Workspace
    vocabulary: Vocabulary
    rules: RuleSet
    segment: str

    def change(self, before: Membership, after: Membership) -> Change:
        """Why its members differ."""
        runs = self.workspace.store.runs
        earlier, later = moment_of(runs.get(before.last_run)), moment_of(runs.get(after.run_id))
        as_of = runs.get(after.run_id).as_of
        steps, note = self._steps(before, after, earlier, later, as_of)
        causes = attributed(before.members, steps)
        edits = [moved for why in (Why.EDIT, Why.UNTOLD) for moved in causes.get(why, ())]
        edited = self._edited_by(before.last_run, after.run_id) if any(edits) else ()
        return Change(after.run_id, as_of, after.version, after.size, causes, note, edited)

    def _steps(
        self,
        before: Membership,
        after: Membership,
        earlier: Moment | None,
        later: Moment | None,
        as_of: dt.datetime,
    ) -> tuple[list[tuple[Why, BitMap]], str]:
        """From before to after: each cause with the members once it had its effect."""
        end = after.members
        if before.members == end:
            return [], ""
        rules = self.rules_of(before.last_run)
        edited = self.edited(before.last_run, after.run_id)
        if rules is None and not edited:
            rules = self.rules_of(after.run_id)
        same_data = earlier is not None and later is not None and earlier.snapshots == later.snapshots
        if same_data and earlier is not None and earlier.snapshots is not None and not edited:
            return [(Why.TIME, end)], ""
        if rules is None:
            return self._by_later_rules(before, after, earlier, as_of)
        first = self._ask(rules, earlier, as_of, after.run_id)
        second = end if not edited else first if same_data else self._ask(rules, later, as_of, after.run_id)
        if second is None:
            return [(Why.UNTOLD, end)], _GONE
        steps = [(Why.DATA_OR_TIME, second)] if first is None else [(Why.TIME, first), (Why.DATA, second)]
        return [*steps, (Why.EDIT, end)], _GONE if first is None else ""

    def _by_later_rules(
        self, before: Membership, after: Membership, earlier: Moment | None, as_of: dt.datetime
    ) -> tuple[list[tuple[Why, BitMap]], str]:
        """The same, of an edit whose earlier wording is not kept."""
        rules, end = self.rules_of(after.run_id), after.members
        if rules is None:
            return [(Why.UNTOLD, end)], _LOST
        began = self.workspace.store.runs.get(before.last_run).as_of
        first = self._ask(rules, earlier, began, before.last_run)
        second = self._ask(rules, earlier, as_of, after.run_id)
        if first is None or second is None:
            return [(Why.UNTOLD, end)], _GONE
        return [(Why.EDIT, first), (Why.TIME, second), (Why.DATA, end)], ""

    def _ask(self, rules: RuleSet, moment: Moment | None, as_of: dt.datetime, run: int) -> BitMap | None:
        store = self.workspace.store
        if moment is None or moment.snapshots is None or not moment.kept(store):
            return None
        settings = self.workspace.settings.rules
        found = members_at(
            store, rules, self.vocabulary, moment=moment, as_of=as_of, run=run, settings=settings
        )
        return found[self.segment]

    def edited(self, earlier: int, later: int) -> bool:
        """Whether its rule, or one that it uses, was another in the later run."""
        segments = self.workspace.store.segments
        then, now = segments.at_run(earlier), segments.at_run(later)
        if then[self.segment].version != now[self.segment].version:
            return True
        rules = self.rules_of(later) or self.rules_of(earlier)
        used = rules.segments if rules is not None else {*then, *now}  # all, if it cannot be told which
        return any(
            name not in then or name not in now or then[name].version != now[name].version for name in used
        )

    def _edited_by(self, earlier: int, later: int) -> tuple[str, ...]:
        rules = self.rules_of(later) or self.rules_of(earlier) or closure(self.rules, [self.segment])
        used = {self.segment: None, **dict.fromkeys(rules.segments)}
        folder = self.workspace.settings.rules_dir
        return edited_between(self.workspace.store, folder, self.segment, used, earlier, later)

    def rules_of(self, run: int) -> RuleSet | None:
        """The segment's rule, and all that it uses, as the run had them; None if they cannot be had again.

        The stored texts are put into a copy of the files; only what then means the same to the letter counts.
        """
        then = {name: one.version for name, one in self.workspace.store.segments.at_run(run).items()}
        rules = self.rules
        if any(name in rules.segments and rules.segments[name].version != v for name, v in then.items()) or (
            self.segment not in rules.segments
        ):
            found = self._restored(then)
            if found is None:
                return None
            rules = found
        rules = closure(rules, [self.segment])
        same = all(then.get(name) == one.version for name, one in rules.segments.items())
        return rules if same and self.segment in rules.segments else None

    def _restored(self, then: Mapping[str, str]) -> RuleSet | None:
        files = {name: path.read_bytes() for name, path in rule_files(self.workspace.settings.rules_dir)}
        gone = []
        for name, version in then.items():
            text = self._text(name, version)
            known = self.rules.segments.get(name)
            if known is None:
                gone.append(_segment(name, RuleText.read(text)))
            elif known.source != text:
                with suppress(CannotRewriteError):
                    files[known.place.file] = rewritten(files[known.place.file], name, text)
        with tempfile.TemporaryDirectory(prefix="segsync-") as folder:
            for file, content in files.items():
                path = Path(folder) / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            (Path(folder) / "segsync-gone.toml").write_text("\n".join(gone), encoding="utf-8")
            return load(Path(folder), self.vocabulary).ruleset

    def _text(self, name: str, version: str) -> str:
        versions = self.workspace.store.segments.versions(name)
        return next((one.source for one in versions if one.version == version), "")


def attributed(before: BitMap, steps: Sequence[tuple[Why, BitMap]]) -> dict[Why, tuple[BitMap, BitMap]]:
    """Who entered and left in all, each person under the step that moved them last."""
    if not steps:
        return {}
    end = steps[-1][1]
    enter, leave = end - before, before - end
    states = [before, *(members for _, members in steps)]
    found: dict[Why, tuple[BitMap, BitMap]] = {}
    for (was, now), (why, _) in reversed(list(zip(pairwise(states), steps, strict=True))):
        came, gone = (now - was) & enter, (was - now) & leave
        enter, leave = enter - came, leave - gone
        found[why] = came, gone
    return found


def _segment(name: str, rule: RuleText) -> str:
    keys = {"id": name, "when": rule.when, "leave_when": rule.leave_when, "stay": rule.stay}
    return "\n".join(["[[segment]]", *(f"{key} = {_quoted(text)}" for key, text in keys.items() if text), ""])


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)
