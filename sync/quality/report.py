"""The report of data quality: issues, sources, scores, badges and warnings, without any personal value."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyroaring import BitMap

from sync.quality.filled import Filled
from sync.quality.mailable import Step
from sync.quality.rules import RULES, WEIGHTS, Feature, Rule
from sync.quality.scores import Score, overall
from sync.quality.trust import Badge, Trust

BLOCKED_FEATURE, SEGMENT_UNTRUSTED = "dq.blocked_feature", "dq.segment_untrusted"
NOTABLE = 0.05
"""A feature that this share of people lacks is warned of; below that it is only listed."""


@dataclass(frozen=True, slots=True)
class Issue:
    """What one rule found. `segments`: those whose rules rest on it, or that are sent and cannot reach them.
    `hints`: what was most likely meant, such as providers' domains, with counts; the most frequent first."""

    rule: Rule
    contacts: int
    checked: int
    people: int
    share: float
    segments: tuple[str, ...] = ()
    hints: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Blocked:
    """A thing that cannot be done with `people`, for the reasons of `rules`; most people first."""

    feature: Feature
    people: int
    share: float
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceQuality:
    """One connection: its contacts, how many have an error or a warning, what could not be read, what is
    kept out, and the rule that found most."""

    connection: str
    contacts: int
    errors: int
    warnings: int
    rejected: int
    kept_out: int
    worst: str | None


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning as every method of segsync gives them."""

    code: str
    severity: str
    message: str
    evidence: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Everything `segsync quality` tells, as of an instant."""

    run: int | None
    as_of: dt.datetime
    people: int
    contacts: int
    steps: tuple[Step, ...]
    scores: tuple[Score, ...]
    issues: tuple[Issue, ...]
    blocked: tuple[Blocked, ...]
    sources: tuple[SourceQuality, ...]
    filled: tuple[Filled, ...]
    trust: tuple[Trust, ...]
    kept_out: Mapping[str, int]
    compared_with: int | None = None
    mailable_before: float | None = None
    notices: tuple[str, ...] = ()

    @property
    def mailable(self) -> float:
        """The share of people who can be mailed."""
        return self.steps[-1].people / self.people if self.people else 0.0

    @property
    def overall(self) -> float | None:
        """The dimensions' mean."""
        return overall(self.scores)

    def warnings(self) -> tuple[Warned, ...]:
        """What stands in the way, the worst first."""
        return (*_features(self.blocked), *_segments(self.trust))

    def document(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "run": self.run,
            "as_of": self.as_of.isoformat(),
            "people": self.people,
            "contacts": self.contacts,
            "compared_with_run": self.compared_with,
            "mailable": {
                "share": self.mailable,
                "before": self.mailable_before,
                "steps": [{"step": one.name, "people": one.people, "lost": one.lost} for one in self.steps],
            },
            "score": self.overall,
            "severity_weights": {severity.value: weight for severity, weight in WEIGHTS.items()},
            "dimensions": [
                {
                    "dimension": one.dimension.value,
                    "score": one.score,
                    "weight": one.weight,
                    "trend": one.trend,
                    "rules": dict(one.weights),
                }
                for one in self.scores
            ],
            "issues": [
                {
                    "rule": one.rule.id,
                    "severity": one.rule.severity.value,
                    "dimension": one.rule.dimension.value,
                    "field": one.rule.field,
                    "contacts": one.contacts,
                    "checked": one.checked,
                    "people": one.people,
                    "share": one.share,
                    "message": sentence(one),
                    "fix": one.rule.fix,
                    "blocks": [feature.value for feature in one.rule.blocks],
                    "segments": list(one.segments),
                    "hints": dict(one.hints),
                }
                for one in self.issues
            ],
            "blocked": [
                {
                    "feature": one.feature.value,
                    "people": one.people,
                    "share": one.share,
                    "rules": list(one.rules),
                }
                for one in self.blocked
            ],
            "sources": [
                {
                    "connection": one.connection,
                    "contacts": one.contacts,
                    "with_errors": one.errors,
                    "with_warnings": one.warnings,
                    "rejected_rows": one.rejected,
                    "kept_out": one.kept_out,
                    "most_frequent": one.worst,
                }
                for one in self.sources
            ],
            "fill": [
                {
                    "field": one.field,
                    "people": one.people,
                    "share": one.share,
                    "last_filled": one.last.isoformat() if one.last else None,
                }
                for one in self.filled
            ],
            "trust": [
                {
                    "segment": one.segment,
                    "badge": one.badge.value,
                    "members": one.members,
                    "faulty": one.faulty,
                    "share": one.share,
                    "worst": one.worst[0] if one.worst else None,
                    "field": one.worst[1] if one.worst else None,
                }
                for one in self.trust
            ],
            "kept_out": dict(self.kept_out),
            "warnings": [
                {"code": w.code, "severity": w.severity, "message": w.message, "evidence": dict(w.evidence)}
                for w in self.warnings()
            ],
            "notices": list(self.notices),
        }


def sentence(issue: Issue) -> str:
    """`1,240 contacts have no country`."""
    noun = "contact" if issue.contacts == 1 else "contacts"
    return f"{issue.contacts:,} {noun} {issue.rule.fault}"


def blocked(found: Mapping[tuple[str, str], BitMap], people: int) -> tuple[Blocked, ...]:
    """What cannot be done with how many; `found`: (rule, field) → people."""
    features = []
    for feature in Feature:
        some = {key: theirs for key, theirs in found.items() if theirs and feature in RULES[key[0]].blocks}
        everybody = BitMap.union(BitMap(), *some.values())
        by_size = sorted(some, key=lambda key: (-len(some[key]), key))
        if everybody:
            rules = tuple(dict.fromkeys(rule for rule, _ in by_size))
            features.append(
                Blocked(feature, len(everybody), len(everybody) / people if people else 0.0, rules)
            )
    return tuple(sorted(features, key=lambda one: (-one.people, one.feature)))


def _features(found: Sequence[Blocked]) -> list[Warned]:
    told = []
    for one in found:
        if one.share < NOTABLE:
            continue
        fault = RULES[one.rules[0]].fault
        more = f" (or other faults: {', '.join(one.rules[1:])})" if len(one.rules) > 1 else ""
        message = f"{one.people:,} people ({one.share:.0%}) {fault}{more}: no {one.feature.value} for them."
        evidence = {
            "feature": one.feature.value,
            "people": one.people,
            "share": one.share,
            "rules": list(one.rules),
        }
        told.append(Warned(BLOCKED_FEATURE, "warning", message, evidence))
    return told


def _segments(found: Sequence[Trust]) -> list[Warned]:
    told = []
    for one in sorted(found, key=lambda each: (-each.share, each.segment)):
        if one.badge is not Badge.UNTRUSTED or one.worst is None:
            continue
        rule, name = one.worst
        message = (
            f"{one.share:.0%} of {one.segment} rest on faulty data, {one.worst_share:.0%} on {name}:"
            f" they {RULES[rule].fault}."
        )
        evidence = {
            "segment": one.segment,
            "share": one.share,
            "field": name,
            "rule": rule,
            "members": one.members,
        }
        told.append(Warned(SEGMENT_UNTRUSTED, "warning", message, evidence))
    return told
