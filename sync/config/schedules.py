"""`[schedules.NAME]`: when it runs, what it pulls and plans. Which segments there are, the rules know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from sync.config.general import check_zone
from sync.config.problems import did_you_mean
from sync.config.section import Section
from sync.config.settings import ConnectionSettings
from sync.config.timing import Blackout, Missed, ScheduleSettings

_NAME = re.compile(r"[a-z0-9-]+")
_EVERY = re.compile(r"([1-9]\d*) ?(seconds?|minutes?|hours?|days?)")
_EVERY_SHAPE = 'a time such as "15 minutes", "2 hours" or "1 day"'
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d) ?[-–] ?([01]\d|2[0-3]):([0-5]\d)")
_AFTER_PULL = re.compile(r"pull of (.+)")
_KINDS = ("cron", "every", "after")
_LONGEST_JITTER_S = 86400

Connections = Mapping[str, ConnectionSettings]


def read_schedules(section: Section, connections: Connections, *, zone: str) -> dict[str, ScheduleSettings]:
    """Every schedule by name. `zone`: the business's, for schedules that name none."""
    found: dict[str, ScheduleSettings] = {}
    parts = dict(section.sections())
    for name, part in parts.items():
        if not _NAME.fullmatch(name):
            part.error(None, "a schedule's name has small letters, digits and - only")
        found[name] = _schedule(name, part, connections, names=tuple(parts), zone=zone)
    for name in _circles(found):
        parts[name].error(
            "after", "what it follows is started by it again and again; take one of the two from the circle"
        )
    return found


def _schedule(
    name: str, section: Section, connections: Connections, *, names: tuple[str, ...], zone: str
) -> ScheduleSettings:
    written = [key for key in _KINDS if section.has(key)]
    if len(written) != 1:
        wrong = f"{' and '.join(written)} are both there" if written else "nothing says when it runs"
        section.error(written[1] if written else None, f"{wrong}; write one of {', '.join(_KINDS)}")
    own_zone = section.text("zone", zone)
    if not check_zone(section, own_zone):
        own_zone = "UTC"
    cron = _cron(section)
    after_pull, after_schedule = _after(section, connections, name=name, names=names)
    follows = section.has("after")
    made = ScheduleSettings(
        name=name,
        cron=cron,
        every_s=read_seconds(section, "every"),
        after_pull=after_pull,
        after_schedule=after_schedule,
        zone=own_zone,
        jitter_s=_jitter(section),
        blackout=_blackout(section),
        missed=Missed(section.choice("missed", list(Missed), "way to treat missed slots") or Missed.ONCE),
        pull=_pull(section, connections, default=() if follows else None),
        segments=_some(section, "segments", None),
        push=section.yes_no("push", True),
    )
    if made.pull == () and made.segments == ():
        section.error(None, "it neither pulls nor plans anything; name something under pull or segments")
    section.close()
    return made


def _cron(section: Section) -> str | None:
    text = section.optional_text("cron")
    if text is None:
        return None
    if len(text.split()) != 5:
        shape = '"minute hour day-of-month month day-of-week", such as "30 6 * * MON-FRI"'
        section.error("cron", f"must have five fields, {shape}")
        return None
    try:
        next(CronSim(text, datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        section.error("cron", f"is not understood: {error}")
        return None
    except StopIteration:
        section.error("cron", "names a day that never comes")
        return None
    return text


def read_seconds(section: Section, key: str) -> int | None:
    """A time in words, such as "2 hours"."""
    text = section.optional_text(key, _EVERY, _EVERY_SHAPE)
    match = _EVERY.fullmatch(text) if text else None
    return int(match[1]) * _UNITS[match[2].rstrip("s")] if match else None


def _jitter(section: Section) -> int:
    seconds = read_seconds(section, "jitter") or 0
    if seconds > _LONGEST_JITTER_S:
        section.error("jitter", "must be a day at most")
    return min(seconds, _LONGEST_JITTER_S)


def _after(
    section: Section, connections: Connections, *, name: str, names: tuple[str, ...]
) -> tuple[str | None, str | None]:
    """(connection whose pull it follows, schedule that it follows)."""
    text = section.optional_text("after")
    if text is None:
        return None, None
    pull = _AFTER_PULL.fullmatch(text)
    if pull:
        sources = [one.name for one in connections.values() if one.source]
        if pull[1] not in sources:
            section.error("after", f"there is no such source{did_you_mean(pull[1], sources)}")
        return pull[1], None
    others = [one for one in names if one != name]
    if text not in others:
        known = did_you_mean(text, others)
        section.error("after", f'must be "pull of CONNECTION" or the name of another schedule{known}')
    return None, text


def _blackout(section: Section) -> tuple[Blackout, ...]:
    found = []
    for position, text in section.placed_texts("blackout"):
        match = _HOURS.fullmatch(text)
        if match is None:
            shape = 'hours such as "22:00-06:00", from 00:00 to 23:59'
            section.report.error((*section.path, "blackout", position), f"must be {shape}")
            continue
        first, second, third, fourth = map(int, match.groups())
        start, end = first * 60 + second, third * 60 + fourth
        if start == end:
            section.report.error((*section.path, "blackout", position), "begins when it ends")
            continue
        found.append(Blackout(start, end))
    if all(any(one.has(minute) for one in found) for minute in range(24 * 60)):
        section.error("blackout", "leaves no hour of the day at which it may start")
        return ()
    return tuple(found)


def _pull(
    section: Section, connections: Connections, *, default: tuple[str, ...] | None
) -> tuple[str, ...] | None:
    named = _some(section, "pull", default)
    sources = [one.name for one in connections.values() if one.source]
    for position, name in enumerate(named or ()):
        if name not in sources:
            section.report.error(
                (*section.path, "pull", position), f"there is no such source{did_you_mean(name, sources)}"
            )
    return named


def _some(section: Section, key: str, default: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """A list of names, or "all" (None)."""
    if not section.has(key):
        section.take(key)
        return default
    if section.values[key] == "all":
        section.take(key)
        return None
    return section.texts(key)


def _circles(schedules: Mapping[str, ScheduleSettings]) -> Iterator[str]:
    """Schedules that would be started by what they start."""
    starts = {
        name: [o.name for o in schedules.values() if _follows(o, one)] for name, one in schedules.items()
    }
    for name, one in schedules.items():
        waiting, seen = list(starts[name]), set[str]()
        while waiting:
            reached = waiting.pop()
            if reached not in seen:
                seen.add(reached)
                waiting += starts[reached]
        if one.follows and name in seen:
            yield name


def _follows(later: ScheduleSettings, earlier: ScheduleSettings) -> bool:
    if later.after_schedule is not None:
        return later.after_schedule == earlier.name
    return later.after_pull is not None and (earlier.pull is None or later.after_pull in earlier.pull)
