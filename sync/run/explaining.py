"""Why one person is in a segment or not: clauses, values, where the values came from, since when.

Shown to whoever asked for this very person on the command line; nothing of it is logged.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

import duckdb

from rules.engine.ahead import Ahead
from rules.engine.explain import Explaining, Explanation
from rules.engine.periods import Clock
from rules.engine.person import Context, Evaluator
from rules.engine.ranks import KnownRanks
from rules.engine.reading import read_person
from rules.engine.walk import ranks_in
from rules.language import render
from rules.ruleset import RuleSet, Segment
from rules.vocabulary import Vocabulary
from sync.again import circumstances
from sync.assign import assign
from sync.clusters.standing import newest
from sync.config.problems import did_you_mean
from sync.cuts import Cuts, known
from sync.engines import by_person
from sync.errors import UserError
from sync.facts import told_by
from sync.fields import FieldSpec
from sync.identify.explain import LinkedContact, Links, Relation, explain_links
from sync.identify.keys import email_key
from sync.identify.people import provenance
from sync.models.standing import by_model, in_use
from sync.quality.kept_out import KeptOut, remembered
from sync.quarantine import standing
from sync.run.answer import Answer, RefusedChange, SegmentAnswer
from sync.run.entering import Entry, entry
from sync.run.outlook import Outlook, outlook
from sync.run.past import closure
from sync.run.rulebook import checked_rules, rules_of_matching
from sync.run.workspace import Workspace
from sync.standing import entered
from sync.store.lake import Lake
from sync.store.stays import Stay
from sync.store.whose import Whose
from sync.whereabouts import bitmap


def explain(workspace: Workspace, who: str, segment: str | None) -> Answer:
    """`who`: a person's number or an e-mail address. UserError if there is no such person or segment."""
    vocabulary, fields = workspace.vocabulary()
    rules = checked_rules(workspace, vocabulary)
    if segment is not None and segment not in rules.segments:
        raise UserError(f"there is no segment {segment}{did_you_mean(segment, rules.segments)}")
    wanted = [segment] if segment is not None else list(rules.segments)
    lake = workspace.store.lake
    database = lake.connect()
    try:
        links = lake.copies.whose() or Relation(database, lake.relation("links"))
        person = _person(links, who)
        as_of = workspace.clock.utc_now()
        needed = rules if segment is None else closure(rules, wanted)
        conditions = {name: one.when for name, one in needed.segments.items()}
        there = by_person(workspace.store, vocabulary)
        facts = read_person(database, there, person=person, conditions=conditions.values())
        if facts is None:
            raise UserError(_nobody(workspace, database, person))
        cuts = _cuts(workspace, needed, vocabulary, as_of)
        segments = workspace.store.segments
        stays = segments.stays(needed.segments, person)
        context = Context(
            Clock(as_of, vocabulary.zone),
            None if cuts is None else cuts.ranks,
            entered=lambda name: entered(stays, rules.segments[name]),
            since=lambda segment: segments.since(segment, person, before=as_of),
        )
        answers, ahead = [], Ahead(facts, context, conditions)
        told = Explaining(Evaluator(facts, context, conditions), render, conditions)
        for name in wanted:
            tree = told.tree(conditions[name])
            coming = outlook(conditions[name], ahead, render=render)
            came = entry(workspace, vocabulary, rules, name, person) if segment is not None else None
            answers.append(_answer(rules.segments[name], stays.get(name), tree, coming, came))
        contacts = explain_links(links, person, rules=rules_of_matching(workspace, fields))
        return Answer(
            person=person,
            as_of=as_of,
            segments=tuple(answers),
            sources={
                **_sources(lake, database, links, contacts, fields, remembered(workspace.store) or KeptOut()),
                **_models(workspace, vocabulary, facts.facts),
            },
            contacts=tuple(contacts),
            refused=tuple(_refused(workspace, person)),
            opt_outs=tuple(workspace.store.opt_outs.log(person=person)),
            compared_as_of=None if cuts is None else cuts.as_of,
        )
    finally:
        database.close()


def _person(links: Links, who: str) -> int:
    if who.isdecimal():
        return int(who)
    key = email_key(who)
    if key is None:
        raise UserError("PERSON is a number or an e-mail address; this is neither")
    found = links.persons(f"email:{key}")
    if not found:
        raise UserError("nobody has this e-mail address")
    if len(found) > 1:
        numbers = ", ".join(map(str, found[:5]))
        raise UserError(f"this address links nobody, several people have it: {numbers}; name one by number")
    return found[0]


def _nobody(workspace: Workspace, database: duckdb.DuckDBPyConnection, person: int) -> str:
    """Why there is no such person: none of that number, or none whose records may enter."""
    kept = remembered(workspace.store) or KeptOut()
    theirs = bitmap(
        database, f"SELECT contact FROM {workspace.store.lake.relation('links')} WHERE person = {person}"
    )
    rules = [rule for rule, contacts in kept.by_rule.items() if contacts & theirs]
    if not rules:
        return f"there is no person {person}"
    return (
        f"person {person} has no records but such as are kept out ({', '.join(rules)}, by [quality] refuse);"
        " mend them on their platform, or take the rule out of the config"
    )


def _refused(workspace: Workspace, person: int) -> Iterator[RefusedChange]:
    refused = workspace.store.ledger.refusals(person=person)
    rows = {row.id: row for row in workspace.store.ledger.audiences()} if refused else {}
    for one in refused:
        row, state = rows[one.audience_id], standing(one, at=workspace.clock.utc_now())
        where = row.connection, row.segment
        yield RefusedChange(*where, one.code, one.reason, state, one.tries, one.first_at, one.last_at)


def _cuts(workspace: Workspace, rules: RuleSet, vocabulary: Vocabulary, as_of: dt.datetime) -> Cuts | None:
    """Where ranks cut by the last run; everybody is asked where it did not see them, and nobody without
    ranks."""
    wanted = [rank for segment in rules.segments.values() for rank in ranks_in(segment.when)]
    if not wanted:
        return None
    store, settings = workspace.store, workspace.settings
    meaning = circumstances(store, vocabulary, settings.business)
    found = known(store.notes, wanted, Clock(as_of, vocabulary.zone), circumstances=meaning)
    if found is not None:
        return found
    evaluation = assign(store, rules, vocabulary=vocabulary, as_of=as_of, settings=settings.rules)
    return Cuts(KnownRanks(evaluation.thresholds), as_of)


def _answer(
    segment: Segment, stay: Stay | None, tree: Explanation, coming: Outlook, came: Entry | None
) -> SegmentAnswer:
    since, place = None if stay is None else stay.since, segment.place
    return SegmentAnswer(
        segment=segment.id,
        name=segment.name,
        place=f"{place.file}:{place.line}:{place.column}",
        version=segment.version,
        member=tree.result,
        member_at_last_run=None if stay is None else since is not None,
        since=since,
        tree=tree,
        outlook=coming,
        entry=came,
    )


def _models(
    workspace: Workspace, vocabulary: Vocabulary, facts: Mapping[str, object]
) -> dict[str, tuple[str, None, dt.datetime | None]]:
    """The model and the version that tells a fact, for those that it tells of this person."""
    models = workspace.settings.models
    using = in_use(workspace.store, models) if models else {}
    stored = by_model(workspace.store) if any(one.model for one in vocabulary.fields.values()) else {}
    for fact in vocabulary.fields.values():
        if fact.model is not None and fact.model not in models:  # a clustering
            found = newest(stored.get(fact.model, ()))
            using |= {} if found is None else {fact.model: found}
    return {
        name: (told_by(fact.model, using[fact.model].version), None, using[fact.model].fitted_at)
        for name, fact in vocabulary.fields.items()
        if fact.model in using and facts.get(name) is not None
    }


def _sources(
    lake: Lake,
    database: duckdb.DuckDBPyConnection,
    links: Whose | Relation,
    contacts: Sequence[LinkedContact],
    fields: tuple[FieldSpec, ...],
    kept: KeptOut,
) -> dict[str, tuple[str, str | None, dt.datetime | None]]:
    """Which record tells a fact; one that is kept out tells none."""
    out = kept.contacts
    numbers = [one.contact for one in contacts if one.contact not in out]
    if isinstance(links, Whose):
        rows = links.contacts_of(numbers)
    else:
        wanted = ", ".join(map(str, numbers)) or "NULL"
        query = f"SELECT * FROM {lake.relation('contacts')} WHERE contact IN ({wanted})"
        rows = database.sql(query).to_arrow_table()
    return {
        one.field: (f"{one.connection}.{one.column}", one.external_id, one.changed_at)
        for one in provenance(database, rows, fields)
    }
