"""Flips in the admin's words: `2 more purchase`, `country becomes de`, `consent to email is given`."""

from __future__ import annotations

from collections.abc import Iterator

from rules.engine.edits import Edit, Fewer, More, SetConsent, SetFact, SetList, SetSuppressed
from rules.engine.explain import shown
from rules.engine.flips import Flip
from rules.engine.periods import instant_of, microseconds
from rules.engine.person import Context, PersonFacts
from rules.vocabulary import Type

_NAMED = 3


def said(flip: Flip, person: PersonFacts, context: Context) -> Iterator[str]:
    """One line for each edit, and for each segment inside that turns with them."""
    for edit in flip.edits:
        yield _said(edit, person, context)
    for segment, becomes in flip.segments:
        yield f"{'enters' if becomes else 'leaves'} segment {segment} by that"


def _said(edit: Edit, person: PersonFacts, context: Context) -> str:
    match edit:
        case SetFact():
            return _fact(edit, person)
        case More(kind, n, fields, ats):
            values = [f"{name} {shown(value, type_) or 'missing'}" for name, value, type_ in fields]  # type: ignore[arg-type]
            others = [at for at in dict.fromkeys(ats) if at != context.clock.as_of]
            values += [f"at {at:%Y-%m-%d %H:%M} UTC" for at in others[:_NAMED]]
            return f"{n} more {kind}" + (f" ({', '.join(values)})" if values else "")
        case Fewer(kind, places):
            when = sorted((microseconds(person.activity[kind][one]["at"]) for one in places), reverse=True)  # type: ignore[arg-type]
            which = ", ".join(f"{instant_of(at):%Y-%m-%d %H:%M}" for at in when[:_NAMED])
            more = f" and {len(when) - _NAMED} older" if len(when) > _NAMED else ""
            return f"{len(places)} {kind} fewer (of {which} UTC{more})"
        case SetConsent(channel, given):
            return f"consent to {channel} is {'given' if given else 'withdrawn'}"
        case SetList(name, on):
            return f"is {'put on' if on else 'taken off'} the list {name}"
        case SetSuppressed(suppressed):
            return "opts out" if suppressed else "is not suppressed any more"


def _fact(edit: SetFact, person: PersonFacts) -> str:
    type_, known = edit.fact.type, person.facts.get(edit.name)
    options = ", ".join(str(shown(one.value, type_)) for one in edit.options)
    if edit.other:
        return f"{edit.name} becomes something other than {options}"
    if len(edit.options) > 1:
        return f"{edit.name} becomes one of {options}"
    if edit.value is None:
        return f"{edit.name} becomes missing"
    text = f"{edit.name} becomes {shown(edit.value, type_) or 'empty'}"  # type: ignore[arg-type]
    if type_ in (Type.NUMBER, Type.MONEY) and isinstance(known, int) and isinstance(edit.value, int):
        by = shown(abs(edit.value - known), type_)
        text += f" ({by} {'more' if edit.value > known else 'less'})"
    return text
