"""Every key a rule file may have: the one table behind the loader, its messages and the JSON Schema."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

CLOCK = re.compile(r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
"""A time of day."""
DURATION = re.compile(r"^([1-9][0-9]{0,4}) (hour|day|week)s?$")
"""A length of time."""
FEATURE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_ -]*$")
"""What a feature of a clustering may be called: its clusters are named by it."""


MOST_CLUSTERS = 20


class Shape(StrEnum):
    """What a key holds."""

    ID = "id"
    FIELD_ID = "field id"
    TEXT = "text"
    EXPRESSION = "expression"
    TRUTH = "truth"
    ALWAYS = "always"  # only `true` makes sense
    COUNT = "count"
    SHARE = "share"
    MODE = "mode"
    DRIFT = "drift"
    CLOCK = "clock"  # a time of day
    TARGETS = "targets"
    TABLE = "table"
    TABLES = "tables"
    INSTANT = "instant"
    FACTS = "facts"  # names of the vocabulary → values
    SINCE = "since"  # ids of segments → instants
    ACTIVITIES = "activities"
    DURATION = "duration"  # hours, days or weeks
    NUMBER = "number"
    ENTRIES = "entries"  # a list of tables, usually written inline
    FEATURES = "features"  # names → expressions
    CLUSTERS = "clusters"  # how many, or "auto"
    NAMES = "names"  # a list of texts


@dataclass(frozen=True, slots=True)
class Key:
    """One key; `inner` are the keys of a table under it."""

    name: str
    shape: Shape
    meaning: str
    required: bool = False
    inner: tuple[Key, ...] = ()


EXPECT = (
    Key("min", Shape.COUNT, "Fewer people than this trip the brake."),
    Key("max", Shape.COUNT, "More people than this trip the brake."),
    Key("min_share", Shape.SHARE, "A smaller share of all people (0 to 1) trips the brake."),
    Key("max_share", Shape.SHARE, "A larger share of all people (0 to 1) trips the brake."),
    Key("removals_share", Shape.SHARE, "More of the members leaving at once (0 to 1) trips the brake."),
)

TARGET = (
    Key("connection", Shape.TEXT, "The name of a connection in the config.", required=True),
    Key("as", Shape.TEXT, "What it becomes there, e.g. tag or list; the connection's default if missing."),
    Key("name", Shape.TEXT, "Its name there; the segment's name if missing."),
    Key("include_suppressed", Shape.TRUTH, "Also people who must not be marketed to: for suppression lists."),
    Key("drift", Shape.DRIFT, "Members changed by hand: respect (default), re-add once, or adopt."),
    Key("by", Shape.CLOCK, 'When it must be there each day, such as "07:30"; the soonest is sent first.'),
)

_CASE = (
    Key("name", Shape.TEXT, "What the case shows."),
    Key("as_of", Shape.INSTANT, "The instant at which the rule is asked.", required=True),
    Key("person", Shape.FACTS, "Facts of the person; what is not named is missing."),
    Key("since", Shape.SINCE, "Segments the person was in without a break until then, and since when."),
    Key("activity", Shape.ACTIVITIES, "What the person did: kind, at, and the fields of the kind."),
)
SEGMENT_CASE = (
    *_CASE,
    Key("was_member_since", Shape.INSTANT, "Since when the person was in; for leave_when and stay."),
    Key("member", Shape.TRUTH, "Whether the person is in the segment.", required=True),
)
TIERS_CASE = (*_CASE, Key("tier", Shape.TEXT, 'The id of the tier, or "none".', required=True))

_COMMON = (
    Key("name", Shape.TEXT, "What people and platforms see; the id if missing."),
    Key("why", Shape.TEXT, "What it is for."),
    Key("owner", Shape.TEXT, "Who answers for it."),
    Key("mode", Shape.MODE, "mirror: adds members, and removes those it added; append: only adds."),
    Key("to", Shape.TARGETS, "Connections it is written to."),
    Key("expect", Shape.TABLE, "Size limits that hold a run back.", inner=EXPECT),
)

SEGMENT = (
    Key("id", Shape.ID, "a-z, 0-9 and -; never changes, audiences are found by it.", required=True),
    *_COMMON,
    Key("when", Shape.EXPRESSION, "Who belongs to it.", required=True),
    Key("leave_when", Shape.EXPRESSION, "Who leaves; once in, people stay until this is true."),
    Key("stay", Shape.DURATION, 'Nobody leaves before this long after entering, such as "7 days".'),
    Key("case", Shape.TABLES, "Examples, run by `segsync test`.", inner=SEGMENT_CASE),
)

TIER = (
    Key("id", Shape.ID, "a-z, 0-9 and -; the segment is called TIERS/TIER.", required=True),
    *_COMMON,
    Key("when", Shape.EXPRESSION, "Who belongs to it, of those in no earlier tier."),
    Key("otherwise", Shape.ALWAYS, "true: everyone in no earlier tier; only for the last."),
)

TIERS = (
    Key("id", Shape.ID, "a-z, 0-9 and -; never changes.", required=True),
    *_COMMON,
    Key("tier", Shape.TABLES, "The tiers; the first that matches wins.", required=True, inner=TIER),
    Key("case", Shape.TABLES, "Examples, run by `segsync test`.", inner=TIERS_CASE),
)

FIELD = (
    Key("id", Shape.FIELD_ID, "The name by which expressions use it.", required=True),
    Key("is", Shape.EXPRESSION, "A value or a condition.", required=True),
    Key("why", Shape.TEXT, "What it is for."),
)

POINTS = (
    Key("when", Shape.EXPRESSION, "An activity that earns the points each time: email_click where …"),
    Key("if", Shape.EXPRESSION, "A condition that earns the points for as long as it is true."),
    Key("points", Shape.NUMBER, "How many, also below 0.", required=True),
    Key("at_most_per_day", Shape.COUNT, "How many activities of a day earn points (of when)."),
)

SCORE = (
    Key("id", Shape.FIELD_ID, "The name by which expressions use it.", required=True),
    Key("why", Shape.TEXT, "What it is for."),
    Key("half_life", Shape.DURATION, 'After this time points for activity count half, such as "30 days".'),
    Key("points", Shape.ENTRIES, "What earns points.", required=True, inner=POINTS),
    Key("at_most", Shape.NUMBER, "The score is never more than this."),
    Key("at_least", Shape.NUMBER, "The score is never less than this."),
)

CLUSTERING = (
    Key("id", Shape.FIELD_ID, "Part of the fact's name; never changes.", required=True),
    Key("name", Shape.TEXT, "What people see; the id if missing."),
    Key("why", Shape.TEXT, "What it is for."),
    Key("when", Shape.EXPRESSION, "Who is looked at; everybody if missing."),
    Key("features", Shape.FEATURES, "What people are compared by: names and values.", required=True),
    Key("k", Shape.CLUSTERS, 'How many clusters; "auto" (default): as many as hold.'),
    Key("refit", Shape.DURATION, 'How often they are found anew, such as "90 days" (default).'),
    Key("log", Shape.NAMES, "Features that grow by factors; if missing, money and counts."),
)

FILE = (
    Key("segment", Shape.TABLES, "A group of people.", inner=SEGMENT),
    Key("tiers", Shape.TABLES, "Groups of which each person is in at most one.", inner=TIERS),
    Key("field", Shape.TABLES, "A named expression, to be used in others.", inner=FIELD),
    Key("score", Shape.TABLES, "A number made of points, to be used in expressions.", inner=SCORE),
    Key("clustering", Shape.TABLES, "Groups of people that are alike, found by segsync.", inner=CLUSTERING),
)
