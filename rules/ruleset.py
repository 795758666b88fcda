"""A checked set of rules: what `rules.language` hands to `rules.engine` and to the run."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from rules.ir import Lasting, Predicate, Value


class Mode(StrEnum):
    """MIRROR adds, and removes owned members; APPEND only adds."""

    MIRROR = "mirror"
    APPEND = "append"


class Drift(StrEnum):
    """What is done about members that others changed by hand.

    RESPECT: whom others took out stays out; whom others put in stays theirs. READD: whom others took out is
    added once more, then respected. ADOPT: whom others put in becomes ours, to be removed like ours.
    """

    RESPECT = "respect"
    READD = "re-add once"
    ADOPT = "adopt"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a segment is written: a connection, as what, under which name (None: the segment's)."""

    connection: str
    kind: str | None = None  # None: the connection's default kind
    name: str | None = None
    include_suppressed: bool = False
    drift: Drift = Drift.RESPECT
    by: dt.time | None = None  # of each day, in the business's zone: what is wanted soonest is sent first


@dataclass(frozen=True, slots=True)
class Expect:
    """Limits of this segment that trip a brake."""

    min: int | None = None
    max: int | None = None
    min_share: float | None = None
    max_share: float | None = None
    removals_share: float | None = None  # instead of the config's


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the admin's files; line and column count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Segment:
    """One definition of a group. A tier is a segment with the id "tiers-id/tier-id" whose condition
    already excludes the earlier tiers."""

    id: str
    name: str
    when: Predicate
    source: str  # the expression as the admin wrote it
    place: Place
    why: str = ""
    owner: str = ""
    mode: Mode = Mode.MIRROR
    to: tuple[Target, ...] = ()
    expect: Expect | None = None

    @property
    def version(self) -> str:
        """Content hash of the condition: changes only when the meaning of the rule does.

        Of a segment that lasts: the hash of who enters, "-", and that of the whole.
        """
        whole = self.when.key
        return f"{self.when.when.key}-{whole}" if isinstance(self.when, Lasting) else whole

    def lets_in_as(self, version: str) -> bool:
        """Whether a version of this segment let the same people in: only its ways out may differ."""
        return version.split("-")[0] == self.version.split("-")[0]


@dataclass(frozen=True, slots=True)
class ClusterFeature:
    """What people are compared by: a value, and how an admin wrote it. `logged`: by its logarithm, for what
    grows by factors; below 0 counts as 0 then."""

    name: str
    expression: str
    value: Value
    logged: bool


@dataclass(frozen=True, slots=True)
class Clustering:
    """Groups of people that are alike, found among those of whom `when` is true. `k`: how many, None: as many
    as hold. They are found anew every `refit_s`."""

    id: str
    name: str
    when: Predicate
    features: tuple[ClusterFeature, ...]
    k: int | None
    refit_s: int
    place: Place
    why: str = ""

    @property
    def fact(self) -> str:
        """The fact that tells a person's cluster by its name."""
        return f"{CLUSTER}.{self.id}"

    @property
    def version(self) -> str:
        """Content hash of all that decides which clusters are found."""
        features = [[one.name, one.value.key, one.logged] for one in self.features]
        content = [self.when.key, features, self.k]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


CLUSTER = "cluster"
"""The fact that tells a person's cluster where there is one clustering, and how those of several begin."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All segments in an order in which each comes after those it uses, and the clusterings."""

    segments: Mapping[str, Segment] = field(default_factory=dict)
    clusterings: Mapping[str, Clustering] = field(default_factory=dict)
