"""A segment whose conditions are checked, while the whole set of rules is not yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rules import ir
from rules.language.definitions import SegmentDraft
from rules.language.syntax import tree


@dataclass(frozen=True, slots=True)
class Checked:
    """A draft with its own condition (without the earlier tiers), who leaves, and the segments both use with
    the offsets in the file."""

    draft: SegmentDraft
    own: ir.Predicate | None
    uses: tuple[tuple[str, int], ...]
    leave_when: ir.Predicate | None = None
    places: Mapping[ir.Predicate, tree.Tree] = field(default_factory=dict)
