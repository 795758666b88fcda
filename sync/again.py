"""Step 3 of a run once there was one before: only people of whom it may have changed are asked.

What the last evaluation read, and under which circumstances, stands in a note. If any of that cannot be
relied on, everybody is asked; and so they are once in a while beside the few, to see that both tell the same.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib.metadata import version
from typing import Any

import duckdb
import numpy as np
from pyroaring import BitMap

from rules import ir
from rules.engine import Evaluation, Tables, evaluate
from rules.engine.incremental import Before, Changed, Renewed, renew
from rules.engine.periods import Clock, offsets
from rules.engine.walk import kinds, nodes, ranks
from rules.ruleset import RuleSet
from rules.vocabulary import Vocabulary
from sync import cuts
from sync.assign import IDENTIFIED, Earlier, assign, earlier, read_now
from sync.config.settings import BusinessSettings, RulesSettings
from sync.engines import READ, tables
from sync.store import Store
from sync.store.changes import changed_activity, changed_people
from sync.store.events import Notes
from sync.store.recalled import EVALUATED, File, Recall, named
from sync.store.shapes import NO_SNAPSHOT

_DIFFERED = "evaluations_differed"
"""The note that asking few people told something else than asking everybody."""
_ALWAYS = frozenset({"person", "suppressed", "in_lists"})

MOST_CHANGED = 50_000
_CHANGED_SHARE = 4
"""Of more people than this, and one part in so many of all, the rows are not picked one by one: once a day a
model tells something else of everybody whose value fades."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Noted:
    """What an evaluation was asked over. `whole_at`: the instant of the last one that asked everybody.
    `recalled`: what it went by; see `sync.store.recalled`."""

    run: int
    as_of: dt.datetime
    lake: Mapping[str, int]
    circumstances: str
    whole_at: dt.datetime
    recalled: File | None = None

    def document(self) -> dict[str, object]:
        """As JSON."""
        lake = {name: str(snapshot) for name, snapshot in self.lake.items()}
        whole_at = self.whole_at.isoformat()
        return {
            "run": self.run,
            "as_of": self.as_of.isoformat(),
            "lake": lake,
            "circumstances": self.circumstances,
            "whole_at": whole_at,
            "recalled": None if self.recalled is None else self.recalled.document(),
        }


@dataclass(frozen=True, slots=True)
class Assigned:
    """The members of every segment, and whom it took to tell. `why`: everybody was asked, for this reason."""

    evaluation: Evaluation
    noted: Noted
    asked: int
    why: str | None = None
    in_full: Mapping[str, str] = field(default_factory=dict)  # segment → why everybody was asked about it
    differed: Mapping[str, int] = field(default_factory=dict)  # segment → people of whom few told otherwise
    recall: Recall | None = None  # what it went by, for the next one; None: nothing is handed on
    before: Recall = field(default_factory=Recall)  # what the one before went by, as far as it was needed

    @property
    def notices(self) -> list[str]:
        """What a person should know."""
        if not self.differed:
            return []
        listed = ", ".join(f"{name} ({people:,})" for name, people in self.differed.items())
        return [
            "asking only people of whom something may have changed told otherwise than asking everybody, in"
            f" segments (people): {listed}; this run goes by everybody, as will all that follow. Keep a"
            " backup (segsync backup) and report it: this is a mistake in segsync"
        ]

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "asked": self.asked,
            "of": self.evaluation.people,
            "everybody": self.why,
            "in_full": dict(self.in_full),
            "differed": dict(self.differed),
        }


def assign_again(
    store: Store,
    rules: RuleSet,
    *,
    vocabulary: Vocabulary,
    as_of: dt.datetime,
    run_id: int,
    business: BusinessSettings,
    settings: RulesSettings,
    whole: bool = False,
) -> Assigned:
    """As `sync.assign.assign`, asking as few people as can be. `whole`: asks everybody, too, and compares."""
    now = Noted(run_id, as_of, read_now(store), circumstances(store, vocabulary, business), as_of)
    told = earlier(store, rules, Clock(as_of, vocabulary.zone), before_run=run_id)
    ask_all = partial(assign, store, rules, vocabulary=vocabulary, as_of=as_of, settings=settings, told=told)
    before = last(store)
    why = _reason(store, before, now, settings)
    recalled = Recall()

    def done(assigned: Assigned) -> Assigned:
        if settings.incremental and settings.spark is None:
            recall = Recall(assigned.evaluation.order, told.memory(rules))
            assigned = replace(assigned, recall=recall, before=recalled)
        return _told(assigned)

    if before is None or why is not None:
        evaluation = ask_all()
        return done(Assigned(evaluation, now, evaluation.people, why))
    recalled = store.recalled.read(before.recalled)
    renewed = _renewed(store, rules, before, recalled, told, vocabulary=vocabulary, as_of=as_of)
    if renewed is None:
        evaluation = ask_all()
        return done(Assigned(evaluation, now, evaluation.people, "the facts of very many people changed"))
    few = Assigned(
        renewed.evaluation, replace(now, whole_at=before.whole_at), renewed.asked, None, renewed.in_full
    )
    if not whole and as_of - before.whole_at < dt.timedelta(hours=settings.full_hours):
        return done(few)
    evaluation = ask_all()
    otherwise = {
        name: len(found ^ renewed.evaluation.members[name])
        for name, found in evaluation.members.items()
        if found != renewed.evaluation.members[name]
    }
    if otherwise:
        found = {"run": run_id, "at": as_of.isoformat(), "segments": otherwise, "version": [*_software()]}
        store.notes.set(_DIFFERED, found)
    reason = "asked for" if whole else f"to compare, every {settings.full_hours} hours"
    return done(Assigned(evaluation, now, evaluation.people, reason, differed=otherwise))


def last(store: Store) -> Noted | None:
    """The last evaluation whose result is stored; None: there is none to build on."""
    found = store.notes.get(EVALUATED)
    if not isinstance(found, dict):
        return None
    return Noted(
        int(found["run"]),
        dt.datetime.fromisoformat(found["as_of"]),
        dict.fromkeys(READ, NO_SNAPSHOT) | {name: int(one) for name, one in found["lake"].items()},
        str(found["circumstances"]),
        dt.datetime.fromisoformat(found["whole_at"]),
        named(found),
    )


@dataclass(frozen=True, slots=True)
class Differed:
    """In this run asking few people told otherwise than asking everybody, about so many segments."""

    run: int
    segments: int


def differed(notes: Notes) -> Differed | None:
    """Whether that has happened under this version of segsync: everybody is asked ever since."""
    found = notes.get(_DIFFERED)
    if not isinstance(found, dict) or found["version"] != [*_software()]:
        return None
    return Differed(int(found["run"]), len(found["segments"]))


@contextmanager
def noted(store: Store, rules: RuleSet, assigned: Assigned) -> Iterator[None]:
    """Around the storing of the memberships: what they are of stands in a note afterwards, and in none while
    they are being stored, so that a crash leaves no half. Call it only while holding the run's lease."""
    file = None
    if assigned.recall is not None:
        wanted = ranks(one.when for one in rules.segments.values())
        file = store.recalled.keep(assigned.recall.order, wanted, assigned.recall.memory, assigned.before)
    store.notes.set(EVALUATED, None)
    yield
    note(store, replace(assigned.noted, recalled=file))
    now = assigned.noted
    cuts.keep(store.notes, assigned.evaluation.order, as_of=now.as_of, circumstances=now.circumstances)
    store.recalled.sweep(file)


def note(store: Store, noted: Noted) -> None:
    """Say what the stored memberships are of."""
    store.notes.set(EVALUATED, noted.document())


def _reason(store: Store, before: Noted | None, now: Noted, settings: RulesSettings) -> str | None:
    """Why everybody must be asked."""
    if not settings.incremental:
        return "incremental is off in the config"
    if settings.spark is not None:
        return "on Spark everybody is asked"
    if (found := differed(store.notes)) is not None:
        return f"asking few told otherwise in run {found.run}"
    if before is None:
        return "there was no evaluation before"
    if before.circumstances != now.circumstances:
        return "the config, the zone's calendar or segsync itself is another than before"
    if now.as_of < before.as_of:
        return "the last evaluation was of a later instant"
    gone = [name for name in READ if not store.lake.keeps(name, before.lake[name])]
    if gone:
        return f"the lake does not keep {' and '.join(gone)} of the last evaluation any more"
    return None


def _renewed(
    store: Store,
    rules: RuleSet,
    before: Noted,
    recalled: Recall,
    told: Earlier,
    *,
    vocabulary: Vocabulary,
    as_of: dt.datetime,
) -> Renewed | None:
    """None: of so many something changed that asking everybody is quicker."""
    store.lake.copies.make_whose()  # for those who ask about one person
    stored = {name: one for name, one in store.segments.latest().items() if one.last_run == before.run}
    with closing(store.lake.connect()) as database:
        changed = _changed(store, database, rules, before.lake)
        if len(changed.people) > max(MOST_CHANGED, store.lake.rows("people") // _CHANGED_SHARE):
            return None
        plain = partial(
            evaluate, database, as_of=as_of, zone=vocabulary.zone, standing=told.standing, held=told.held
        )

        def ask(rules: RuleSet, tables: Tables, **more: Any) -> Evaluation:
            return plain(rules, tables, **more)

        return renew(
            database,
            rules,
            tables(store, vocabulary, making=True),
            before=Before(
                before.as_of,
                {name: one.members for name, one in stored.items()},
                {name: one.version for name, one in stored.items()},
                recalled.order,
                recalled.memory,
            ),
            changed=changed,
            as_of=as_of,
            zone=vocabulary.zone,
            ask=ask,
            memory=told.memory(rules),
        )


def _changed(
    store: Store,
    database: duckdb.DuckDBPyConnection,
    rules: RuleSet,
    then: Mapping[str, int],
) -> Changed:
    """Everybody whose row, or one of whose activities, is not what it was."""
    roots = [one.when for one in rules.segments.values()]
    used = {node.name for node in nodes(roots) if isinstance(node, ir.Fact)}
    columns = _ALWAYS | used | {f"{name}__ci" for name in used}
    columns |= {name for name in store.lake.columns("people") if name.startswith("consented_")}
    told = columns & store.lake.columns("facts").keys()

    def found(queries: Iterable[str]) -> BitMap:
        union = " UNION ALL ".join(queries)
        if not union:
            return BitMap()
        query = f"SELECT DISTINCT person FROM ({union}) WHERE person IS NOT NULL"
        return BitMap(database.sql(query).to_arrow_table()["person"].to_numpy().astype(np.uint32))

    activity = {
        kind: found(changed_activity(store.lake, [kind], then=then["activity"])) for kind in kinds(roots)
    }
    people = [
        *changed_people(store.lake, then=then["people"], columns=columns),
        *(
            changed_people(store.lake, then=then["facts"], columns=columns & told, table="facts")
            if told
            else ()
        ),
    ]
    return Changed(found(people), activity)


def circumstances(store: Store, vocabulary: Vocabulary, business: BusinessSettings) -> str:
    """16 hex digits of all that gives the rows of the lake, and the rules, their meaning."""
    identified = store.notes.get(IDENTIFIED)
    known = identified if isinstance(identified, dict) else {}
    content = [
        _software(),
        vocabulary.zone,
        offsets(vocabulary.zone),
        vocabulary.currency,
        {code: str(rate) for code, rate in business.rates.items()},
        {name: one.type for name, one in vocabulary.fields.items()},
        {name: {n: f.type for n, f in kind.fields.items()} for name, kind in vocabulary.kinds.items()},
        {name: [kind.key, kind.kinds] for name, kind in vocabulary.records.items()},
        {name: [place.latitude, place.longitude] for name, place in vocabulary.places.items()},
        known.get("rules"),
        known.get("fields"),
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@cache
def _software() -> tuple[str, ...]:
    return version("segsync"), duckdb.__version__, str(ir.VERSION)


def _told(assigned: Assigned) -> Assigned:
    if assigned.differed:
        _log.error("evaluation: asking few people told otherwise about %s segments", len(assigned.differed))
    _log.info(
        "evaluation: %s of %s people asked%s%s",
        assigned.asked,
        assigned.evaluation.people,
        f" ({assigned.why})" if assigned.why else "",
        f"; everybody about {len(assigned.in_full)} segments" if assigned.in_full else "",
    )
    return assigned
