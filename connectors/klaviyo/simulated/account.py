"""What a simulated Klaviyo account holds, and how it changes. Times are whole seconds since 1970."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LIFTED_BY_SUBSCRIBING = frozenset({"UNSUBSCRIBE", "SPAM_COMPLAINT", "USER_SUPPRESSED"})
PLAIN = ("first_name", "last_name", "organization", "locale", "title", "image")
IDENTIFIERS = ("email", "phone_number", "external_id")


@dataclass(slots=True)
class Consent:
    """Consent by e-mail. `suppression`: (reason, time); `list_suppressions`: (list, reason, time)."""

    word: str = "NEVER_SUBSCRIBED"
    at: int | None = None
    double_optin: bool | None = None
    suppression: list[tuple[str, int]] = field(default_factory=list)
    list_suppressions: list[tuple[str, str, int]] = field(default_factory=list)
    sms: str = "NEVER_SUBSCRIBED"

    @property
    def can_receive(self) -> bool:
        """Klaviyo counts implicit consent: true for people who never opted in."""
        return self.word != "UNSUBSCRIBED" and not self.suppression

    def rank(self) -> tuple[bool, bool]:
        """The larger, the more may be sent."""
        return (self.can_receive, self.word == "SUBSCRIBED")


@dataclass(slots=True)
class Profile:
    """One profile."""

    id: str
    created: int
    updated: int
    email: str | None = None
    phone_number: str | None = None
    external_id: str | None = None
    plain: dict[str, str | None] = field(default_factory=dict)
    location: dict[str, object] = field(default_factory=dict)
    properties: dict[str, object] = field(default_factory=dict)
    consent: Consent = field(default_factory=Consent)
    predictive: dict[str, object] = field(default_factory=dict)
    last_event: int | None = None


@dataclass(slots=True)
class Group:
    """A list of people or a segment of the vendor's. `members`: profile id → when it joined."""

    id: str
    name: str
    created: int
    updated: int
    members: dict[str, int] = field(default_factory=dict)
    opt_in_process: str = "single_opt_in"


@dataclass(slots=True)
class Metric:
    """A kind of event, as this account has it."""

    id: str
    name: str
    created: int
    integration: str = "API"


@dataclass(slots=True)
class Event:
    """Something that somebody did."""

    id: str
    metric: str
    profile: str
    at: int
    properties: dict[str, object] = field(default_factory=dict)


class Account:
    """Profiles, lists, segments, metrics and events. `version` counts the changes of profiles."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.version = 0
        self.profiles: dict[str, Profile] = {}
        self.lists: dict[str, Group] = {}
        self.segments: dict[str, Group] = {}
        self.metrics: dict[str, Metric] = {}
        self.events: dict[str, dict[str, Event]] = {}
        self.erasures: list[tuple[int, str]] = []
        self.opt_outs: list[tuple[int, str]] = []
        self._made = 0
        self._known: dict[tuple[str, str], str] = {}
        self._sorted: dict[object, tuple[int, list[tuple[object, str]]]] = {}

    def number(self, length: int, prefix: str = "") -> str:
        """A new id."""
        self._made += 1
        left, text = self._made * 2_654_435_761 % 32**6, ""
        while len(text) < length - len(prefix):
            left, digit = divmod(left, 32)
            text = ALPHABET[digit] + text
        return prefix + text

    # ---- profiles --------------------------------------------------------------------------------

    def find(self, name: str, value: str) -> Profile | None:
        """By email (whatever its case), phone_number, external_id or id."""
        if name == "id":
            return self.profiles.get(value)
        id_ = self._known.get((name, _folded(name, value)))
        return None if id_ is None else self.profiles[id_]

    def create(self, identifiers: Mapping[str, str], *, at: int | None = None) -> Profile:
        """A new profile."""
        now = self.now() if at is None else at
        made = Profile(self.number(26, "01"), now, now)
        self.profiles[made.id] = made
        self.identify(made, identifiers)
        self.version += 1
        return made

    def identify(self, profile: Profile, identifiers: Mapping[str, str | None]) -> None:
        """Give a profile identifiers; the caller has made sure that nobody else has them."""
        for name, value in identifiers.items():
            before = getattr(profile, name)
            if before is not None:
                self._known.pop((name, _folded(name, before)), None)
            setattr(profile, name, value)
            if value is not None:
                self._known[name, _folded(name, value)] = profile.id

    def touch(self, profile: Profile) -> None:
        """Something about the profile changed now."""
        profile.updated = self.now()
        self.version += 1

    def vanish(self, profile: Profile) -> None:
        """Erased, deleted or merged away: it is simply not there any more."""
        self.identify(profile, dict.fromkeys(IDENTIFIERS))
        del self.profiles[profile.id]
        for group in (*self.lists.values(), *self.segments.values()):
            group.members.pop(profile.id, None)
        for metric, events in self.events.items():
            self.events[metric] = {i: event for i, event in events.items() if event.profile != profile.id}
        self.version += 1

    def sorted(
        self, name: object, keyed: Callable[[], Iterable[tuple[object, str]]]
    ) -> list[tuple[object, str]]:
        """(sort key, id) in order, kept until something changes."""
        kept = self._sorted.get(name)
        if kept is None or kept[0] != self.version:
            kept = (self.version, sorted(keyed(), key=lambda pair: (pair[0], pair[1])))
            self._sorted[name] = kept
        return kept[1]

    # ---- groups and events -----------------------------------------------------------------------

    def add_group(self, name: str, home: dict[str, Group]) -> Group:
        """A new list or segment; names may repeat."""
        made = Group(self.number(6), name, self.now(), self.now())
        home[made.id] = made
        return made

    def join(self, group: Group, profile: Profile) -> None:
        """Being on it already changes nothing. Consent and `updated` stay as they are."""
        group.members.setdefault(profile.id, self.now())
        self.version += 1

    def leave(self, group: Group, profile_id: str) -> None:
        """Not being on it changes nothing."""
        group.members.pop(profile_id, None)
        self.version += 1

    def add_event(
        self, metric: Metric, profile: Profile, *, at: int, properties: Mapping[str, object]
    ) -> Event:
        """Something the person did; `updated` of the profile does not move (the strict choice)."""
        made = Event(self.number(11), metric.id, profile.id, at, dict(properties))
        self.events.setdefault(metric.id, {})[made.id] = made
        profile.last_event = max(at, profile.last_event or 0)
        self.version += 1
        return made

    # ---- consent ---------------------------------------------------------------------------------

    def subscribe(self, profile: Profile) -> None:
        """As the platform does it: three kinds of suppression are lifted."""
        consent = profile.consent
        consent.word, consent.at = "SUBSCRIBED", self.now()
        consent.suppression = [s for s in consent.suppression if s[0] not in LIFTED_BY_SUBSCRIBING]
        self.touch(profile)

    def unsubscribe(self, profile: Profile) -> None:
        """Globally."""
        profile.consent.word, profile.consent.at = "UNSUBSCRIBED", self.now()
        self.suppress(profile, "UNSUBSCRIBE")

    def suppress(self, profile: Profile, reason: str) -> None:
        """No more marketing mail; `updated` does not move (the strict choice)."""
        if reason not in {known for known, _ in profile.consent.suppression}:
            profile.consent.suppression.append((reason, self.now()))
        self.version += 1

    def settle(self) -> None:
        """Erasures and opt-outs asked for long enough ago take effect."""
        taken_over = [id_ for at, id_ in self.opt_outs if at <= self.now()]
        self.opt_outs = [one for one in self.opt_outs if one[0] > self.now()]
        for id_ in taken_over:
            if id_ in self.profiles:
                self.unsubscribe(self.profiles[id_])
        due = [address for at, address in self.erasures if at <= self.now()]
        self.erasures = [one for one in self.erasures if one[0] > self.now()]
        for id_ in due:
            if id_ in self.profiles:
                self.vanish(self.profiles[id_])


def _folded(name: str, value: str) -> str:
    return value.lower() if name == "email" else value
