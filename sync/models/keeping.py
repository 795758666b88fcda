"""The models of a store kept up to date: fitted when that is due, and everybody's facts put into the lake.

Between two fits nothing moves but by what people do. A fit is an event: it has a version, an instant, and a
count of the people whose facts it changes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rules.vocabulary import Field, Type
from sync.config.modelling import ModelSettings, OffersSettings
from sync.facts import facts_of, of_clusterings
from sync.models.channel import PreferredChannel
from sync.models.churn import Churn
from sync.models.clv import Clv
from sync.models.columns import folded, put_columns
from sync.models.engagement import Engagement
from sync.models.lead import Lead
from sync.models.lifecycle import Lifecycle
from sync.models.log import Log
from sync.models.model import Model, version_of
from sync.models.offers import NextOffer
from sync.models.products import BadTable, products_of
from sync.models.rfm import Rfm, old_edges
from sync.models.send_time import SendTime
from sync.models.standing import by_model, due, reason, used
from sync.models.words import made_of
from sync.store import Store
from sync.store.models import ModelState, ModelVersion
from sync.store.shapes import PHYSICAL, quoted

Settings = Mapping[str, ModelSettings]
_MODELS: Mapping[str, Model[Any]] = {
    "rfm": Rfm(),
    "lifecycle": Lifecycle(),
    "clv": Clv(),
    "engagement": Engagement(),
    "lead": Lead(),
    "churn": Churn(),
    "offers": NextOffer(),
    "send_time": SendTime(),
    "channel": PreferredChannel(),
}
_TURNS = {"lead": 1, "send_time": 2}
"""Who asks for what others tell comes after them."""


@dataclass(slots=True)
class Kept:
    """`fitted`: what was made anew, refusals included. `used`: whose results the facts are. `held`: model →
    what could not be read, and the mend; its facts are as they were."""

    fitted: list[ModelVersion] = field(default_factory=list)
    used: dict[str, ModelVersion] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "in_use": {name: one.version for name, one in self.used.items()},
            "fitted": {one.model: {"version": one.version, "state": one.state.value} for one in self.fitted},
        }


def keep(
    store: Store, models: Settings, *, as_of: dt.datetime, currency: str, asked: Collection[str] = ()
) -> Kept:
    """Fit what is due or `asked` for, and put everybody's facts into the lake. Call it only under a lease.

    A model whose own file, or whose version in use, cannot be read keeps its facts as they were; a version is
    made anew if it is due or asked for.
    """
    kept = Kept()
    if not models:
        return kept
    stored = by_model(store)
    with closing(store.lake.connect()) as database:
        log = Log(store.lake, database, as_of=as_of)
        kept.held = _unreadable(log, models)
        new: dict[str, ModelVersion] = {}
        for name, model in sorted(models.items(), key=lambda one: _TURNS.get(one[0], 0)):
            if name in kept.held:
                _tell_stored(log, model)
                continue
            versions, made = stored.get(name, []), list[ModelVersion]()
            why = "it was asked for" if name in asked else due(model, versions, as_of=as_of)
            if why is not None:
                made = [version_of(name, model, _MODELS[name].fit(log, model), versions, why, as_of)]
            using = used(model, [*made, *versions])
            if using is not None and using.unreadable is not None:
                kept.held[name] = using.unreadable
                _tell_stored(log, model)
                continue
            new.update((name, one) for one in made)
            _tell(log, model, using)
        before = {name: used(model, stored.get(name, ())) for name, model in models.items()}
        now = {
            name: used(model, [*([new[name]] if name in new else []), *stored.get(name, ())])
            for name, model in models.items()
        }
        going = {name: one for name, one in models.items() if name not in kept.held}
        facts = _Facts(log, going, currency)
        table, moved = facts.table(now, {name: _readable(before[name]) for name in new})
        for name, version in new.items():
            told = {"changed": moved[name]} if name in moved else {}
            new[name] = _with(version, told)
            store.models.add(new[name])
        left = _columns_of([models[name] for name in kept.held], currency)
        store.lake.ensure("facts", left)  # what is held before it ever was is missing, but known
        put_columns(store.lake, database, table, of=lambda one: not of_clusterings(one) and one not in left)
    kept.fitted = list(new.values())
    kept.used = {
        name: new.get(name, one) if one is not None and _is(one, new.get(name)) else one
        for name, one in now.items()
        if one is not None
    }
    kept.notices = list(_notices(going, new, kept.used, stored))
    if "rfm" in kept.used and "rfm" not in kept.held:
        old = old_edges(kept.used["rfm"].document["parameters"], log)
        kept.notices += [f"model rfm: {notice.message}" for notice in old]
    return kept


def _unreadable(log: Log, models: Settings) -> dict[str, str]:
    """Model → what is wrong with the file of its own."""
    found = {}
    for name, model in models.items():
        if isinstance(model, OffersSettings) and model.table is not None:
            try:
                products_of(log, model.table)
            except BadTable as error:
                found[name] = str(error)
    return found


def _tell_stored(log: Log, model: ModelSettings) -> None:
    """As `_tell`, of what earlier runs stored."""

    def told(fact: str, people: NDArray[np.int32]) -> NDArray[np.object_]:
        query = f"""SELECT {quoted(fact)} FROM {log.lake.relation("people")}
            LEFT JOIN {log.lake.relation("facts")} USING (person)
            WHERE person BETWEEN {int(people[0])} AND {int(people[-1])} ORDER BY person"""
        return np.array(log.database.sql(query).to_arrow_table()[fact].to_pylist(), dtype=np.object_)

    for column in _columns_of([model], ""):
        if column in log.lake.columns("facts"):
            log.told[column] = partial(told, column)


def _tell(log: Log, model: ModelSettings, version: ModelVersion | None) -> None:
    """Let the models that come after it ask for its facts, if it is in use."""
    if version is None:
        return

    def told(fact: str, people: NDArray[np.int32]) -> NDArray[np.object_]:
        return (
            _MODELS[model.name].score(log, model, version.document["parameters"], people)[fact].astype(object)
        )

    for fact in facts_of(model, currency="", source=""):
        log.told[fact.name] = partial(told, fact.name)


def _readable(one: ModelVersion | None) -> ModelVersion | None:
    return None if one is None or one.unreadable is not None else one


def _is(one: ModelVersion, other: ModelVersion | None) -> bool:
    return other is not None and one.version == other.version


def _with(version: ModelVersion, told: Mapping[str, Any]) -> ModelVersion:
    return ModelVersion(
        version.model,
        version.version,
        version.fitted_at,
        version.state,
        version.settings,
        {**version.document, **told},
    )


@dataclass(frozen=True, slots=True)
class _Facts:
    log: Log
    models: Settings
    currency: str

    def table(
        self, now: Mapping[str, ModelVersion | None], before: Mapping[str, ModelVersion | None]
    ) -> tuple[pa.Table, dict[str, dict[str, int]]]:
        """Everybody's facts by the versions of `now`; of each model that has one in `before`, too, for how
        many people each fact differs between the two."""
        schema = self._schema()
        pieces: list[pa.Table] = []
        moved: dict[str, dict[str, int]] = {}
        for people in self.log.people():
            columns: dict[str, pa.Array] = {"person": pa.array(people, pa.int32())}
            for name in self.models:
                version = now[name]
                if version is None:
                    continue
                found = self._columns(name, version, people)
                columns |= found
                old = before.get(name)
                if old is not None and old.version != version.version:
                    counted = moved.setdefault(name, {})
                    for fact, values in self._columns(name, old, people).items():
                        if not fact.endswith("__ci"):
                            counted[fact] = counted.get(fact, 0) + _differing(values, found[fact])
            given = [columns.get(one.name, pa.nulls(len(people), one.type)) for one in schema]
            pieces.append(pa.table(given, schema=schema))
        return pa.concat_tables([schema.empty_table(), *pieces]), moved

    def _fields(self, name: str) -> Iterator[Field]:
        yield from facts_of(self.models[name], currency=self.currency, source="")

    def _schema(self) -> pa.Schema:
        columns = _columns_of(self.models.values(), self.currency)
        return pa.schema([("person", pa.int32()), *columns.items()])

    def _columns(self, name: str, version: ModelVersion, people: Any) -> dict[str, pa.Array]:
        scored = _MODELS[name].score(self.log, self.models[name], version.document["parameters"], people)
        columns: dict[str, pa.Array] = {}
        for fact in self._fields(name):
            values = scored[fact.name]
            if fact.type is Type.TEXT:
                columns[fact.name] = pa.array(values, pa.string())
                columns[f"{fact.name}__ci"] = folded(columns[fact.name])
            else:
                missing = np.isnan(values.astype(np.float64))
                whole = np.rint(np.where(missing, 0, values)).astype(np.int64)
                columns[fact.name] = pa.array(whole, PHYSICAL[fact.type], mask=missing)
        return columns


def _columns_of(models: Iterable[ModelSettings], currency: str) -> dict[str, pa.DataType]:
    """The columns of `facts` that these models tell."""
    found: dict[str, pa.DataType] = {}
    for model in models:
        for fact in facts_of(model, currency=currency, source=""):
            found[fact.name] = PHYSICAL[fact.type]
            if fact.type is Type.TEXT:
                found[f"{fact.name}__ci"] = pa.string()
    return found


def _differing(a: pa.Array, b: pa.Array) -> int:
    same = pc.fill_null(pc.equal(a, b), False)
    both_missing = pc.and_(pc.is_null(a), pc.is_null(b))
    return len(a) - int(pc.sum(pc.or_(same, both_missing)).as_py() or 0)


def _warned(version: ModelVersion) -> Iterator[str]:
    """Why to read its numbers with care; and that the fact is that of the naive guess, which did better."""
    for one in version.document["notices"]:
        guessed = one["code"].endswith(".baseline_wins") and one["severity"] != "refusal"
        if guessed or one["severity"] == "warning":
            yield one["message"]


def _notices(
    models: Settings,
    new: Mapping[str, ModelVersion],
    now: Mapping[str, ModelVersion],
    before: Mapping[str, list[ModelVersion]],
) -> Iterator[str]:
    for name in models:
        fitted, using = new.get(name), now.get(name)
        if fitted is not None and fitted.state is not ModelState.REFUSED:
            moved = fitted.document.get("changed")
            told = ", ".join(f"{fact} of {people:,}" for fact, people in (moved or {}).items())
            changed = f"; people whose facts it changes: {told}" if moved else ""
            yield (
                f"model {name}: version {fitted.version} made, because {fitted.document['why']}, of"
                f" {made_of(fitted.document['data'])}{changed}"
            )
            yield from (f"model {name}: {message}" for message in _warned(fitted))
        if using is None:
            versions = [*([fitted] if fitted else []), *before.get(name, ())]
            yield f"model {name} is not in use, its facts are missing: {reason(models[name], versions)}"
        elif fitted is not None and fitted.state is ModelState.REFUSED:
            kept = f"version {using.version} stays in use"
            yield f"model {name}: {kept}; making it anew failed: {reason(models[name], [fitted])}"
