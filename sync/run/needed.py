"""What a rule pack needs, held against the names and data at hand; and what to write where it is missing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rules.packs import Need, NeedKind
from rules.vocabulary import Field, Kind, Type, Vocabulary
from sync.config.settings import Settings
from sync.run.fill import fill_rates
from sync.run.workspace import Workspace

_ALIKE = 0.75
"""Share of equal letters from which a name is proposed: languages are not last names."""


class State(StrEnum):
    """Whether rules can use a name, and whether they would find anything there."""

    READY = "there"
    EMPTY = "nobody has it"
    MISSING = "missing"
    OTHER_TYPE = "of another type"


@dataclass(frozen=True, slots=True)
class Found:
    """One need. `share` (0 to 1): of people who have it, of rows that carry it; `rows`: of an activity. Both
    None before the first pull. `mend`: what to do, line by line, where rules cannot use it."""

    need: Need
    state: State
    share: float | None = None
    rows: int | None = None
    mend: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether rules that use it pass the check."""
        return self.state in (State.READY, State.EMPTY)

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "name": self.need.name,
            "kind": self.need.kind,
            "state": self.state,
            "share": self.share,
            "rows": self.rows,
            "mend": list(self.mend),
        }


@dataclass(frozen=True, slots=True)
class AtHand:
    """The names and the data of one installation, looked at once for any number of packs."""

    settings: Settings
    vocabulary: Vocabulary
    rates: Mapping[str, float]
    counts: Mapping[str, Mapping[str, int]]  # kind → field → rows that carry it; "": all rows
    pulled: bool

    @classmethod
    def of(cls, workspace: Workspace, needs: Iterable[Need]) -> AtHand:
        """`needs`: of all packs that will be asked about. UserError if no connection is configured."""
        vocabulary, _ = workspace.vocabulary()
        wanted: dict[str, set[str]] = {}
        for need in needs:
            if need.kind in (NeedKind.ACTIVITY, NeedKind.DETAIL) and need.activity in vocabulary.kinds:
                wanted.setdefault(need.activity, set())
                if need.kind is NeedKind.DETAIL and need.last in vocabulary.kinds[need.activity].fields:
                    wanted[need.activity].add(need.last)
        return cls(
            settings=workspace.settings,
            vocabulary=vocabulary,
            rates=fill_rates(workspace, vocabulary),
            counts=_counts(workspace, wanted),
            pulled=workspace.store.lake.rows("people") > 0,
        )

    def found(self, needs: Sequence[Need]) -> tuple[Found, ...]:
        """Each need; fields of an activity that is missing go without saying."""
        lacking = {
            need.name
            for need in needs
            if need.kind is NeedKind.ACTIVITY and need.name not in self.vocabulary.kinds
        }
        return tuple(
            self._one(need, needs)
            for need in needs
            if need.kind is not NeedKind.DETAIL or need.activity not in lacking
        )

    def _one(self, need: Need, needs: Sequence[Need]) -> Found:
        match need.kind:
            case NeedKind.FACT:
                return self._typed(need, self.vocabulary.fields.get(need.name), self.rates.get(need.name))
            case NeedKind.PLACE:
                return self._place(need)
            case NeedKind.ACTIVITY:
                return self._activity(need, needs)
            case NeedKind.DETAIL:
                kind, counts = self.vocabulary.kinds[need.activity], self.counts[need.activity]
                rows = counts.get("", 0)
                share = counts.get(need.last, 0) / rows if rows else None
                return self._typed(need, kind.fields.get(need.last), share)

    def _typed(self, need: Need, there: Field | None, share: float | None) -> Found:
        if there is None:
            lines = self._no_fact(need) if need.kind is NeedKind.FACT else self._no_detail(need)
            return Found(need, State.MISSING, mend=tuple(lines))
        if there.type not in need.types:
            sources = ", ".join(there.sources)
            line = (
                f"it is {there.type} ({sources}), and the pack needs {_types(need)}: give that column the "
                f"type {need.types[0]} in its connection, or name other columns in from of "
                f"[fields.{_key(need.name)}]"
            )
            return Found(need, State.OTHER_TYPE, share, mend=(line,))
        return Found(need, State.EMPTY if share == 0 else State.READY, share)

    def _place(self, need: Need) -> Found:
        place = self.vocabulary.places.get(need.name)
        if place is not None:
            rates = [self.rates.get(name) for name in (place.latitude, place.longitude)]
            share = None if None in rates else min(rate for rate in rates if rate is not None)
            return Found(need, State.EMPTY if share == 0 else State.READY, share)
        number = (Type.NUMBER,)
        columns = [
            self._like(("latitude", "lat"), number),
            self._like(("longitude", "lon", "lng", "long"), number),
        ]
        north, east = (column or "CONNECTION.COLUMN" for column in columns)
        lines = (
            "two number columns make a place; write into config.toml:",
            f"    [places.{need.name}]",
            f'    latitude = "{north}"',
            f'    longitude = "{east}"',
        )
        return Found(need, State.MISSING, mend=lines)

    def _activity(self, need: Need, needs: Sequence[Need]) -> Found:
        if need.name in self.vocabulary.kinds:
            rows = self.counts[need.name].get("", 0)
            if not self.pulled:
                return Found(need, State.READY)
            return Found(need, State.READY if rows else State.EMPTY, rows=rows)
        inner = [one.last for one in needs if one.kind is NeedKind.DETAIL and one.activity == need.name]
        columns = ", ".join(f'{name} = "COLUMN"' for name in inner)
        name = next((c.name for c in self.settings.connections.values() if "activity" in c.values), "NAME")
        called = _nearest((need.name, *need.like), self.vocabulary.kinds)
        lines = [
            *(
                [f'if what you call "{called}" is it, add the pack with --with {need.name}={called}']
                if called
                else []
            ),
            "no connection yields it; a table or file of it is declared in config.toml by",
            f"    [[connections.{name}.activity]]",
            f'    kind = "{need.name}"',
            '    from = "TABLE OR FILE"',
            '    key = "COLUMN"          # what identifies a row',
            '    contact = "COLUMN"      # whose it is',
            '    at = "COLUMN"           # when it happened',
            *([f"    columns = {{ {columns} }}"] if columns else []),
        ]
        return Found(need, State.MISSING, mend=tuple(lines))

    def _no_fact(self, need: Need) -> Iterable[str]:
        like = self._like((need.last, *need.like), need.types)
        yield "where a connection has it under another name, write into config.toml:"
        yield f"    [fields.{_key(need.name)}]"
        yield f'    type = "{self.vocabulary.fields[like].type if like else need.types[0]}"'
        if like:
            yield f'    from = ["{like}"]      # the nearest there is; is it that?'
        else:
            yield '    from = ["CONNECTION.COLUMN"]'

    def _no_detail(self, need: Need) -> Iterable[str]:
        kind = self.vocabulary.kinds[need.activity]
        sources = " or ".join(kind.sources)
        yield f"where {sources} is declared in config.toml, add the column:"
        yield f'    columns = {{ …, {need.last} = "COLUMN" }}'
        if need.types[0] != "text":
            yield f'    types = {{ …, {need.last} = "{need.types[0]}" }}'
        yield _what_it_has(kind, need)

    def _like(self, words: Sequence[str], types: Sequence[str]) -> str | None:
        """The column of a connection that is called most like one of the words, and is of such a type."""
        columns = {
            name.rpartition(".")[2]: name
            for name, one in self.vocabulary.fields.items()
            if name.partition(".")[0] in self.settings.connections and (not types or one.type in types)
        }
        found = _nearest(words, columns)
        return columns[found] if found else None


def _what_it_has(kind: Kind, need: Need) -> str:
    near = _nearest((need.last, *need.like), kind.fields)
    tail = f'; if "{near}" is it, call it {need.last}' if near else ""
    return f"{kind.name} has {', '.join(kind.fields) or 'no field'}{tail}"


def _nearest(words: Sequence[str], known: Iterable[str]) -> str | None:
    """The known name that is one of the words, else the one most like the first of them."""
    folded = {_plain(one): one for one in sorted(known)}
    exact = next((folded[_plain(word)] for word in words if _plain(word) in folded), None)
    if exact is not None:
        return exact
    near = difflib.get_close_matches(_plain(words[0]), folded, n=1, cutoff=_ALIKE)
    return folded[near[0]] if near else None


def _plain(name: str) -> str:
    """Without case and without what separates words: hub.Job_Title and jobtitle are one."""
    return "".join(sign for sign in name.casefold() if sign.isalnum())


def _types(need: Need) -> str:
    return " or ".join(need.types)


def _key(name: str) -> str:
    return f'"{name}"' if "." in name else name


def _counts(workspace: Workspace, wanted: Mapping[str, Iterable[str]]) -> dict[str, dict[str, int]]:
    """Kind → field → rows that carry it, and "" → all rows."""
    lake = workspace.store.lake
    there = lake.columns("activity")
    found = {}
    database = lake.connect()
    try:
        for kind, fields in wanted.items():
            names = ["", *(name for name in sorted(fields) if name in there)]
            columns = ", ".join("count(*)" if not name else f"count({_quoted(name)})" for name in names)
            row = (
                database.execute(f"SELECT {columns} FROM {lake.relation('activity', kind)}").fetchone() or ()
            )
            found[kind] = dict(zip(names, row, strict=True))
    finally:
        database.close()
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
