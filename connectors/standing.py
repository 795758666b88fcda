"""What an account allows, and where each of its limits stands: pure rules over numbers and times.

Pace is GCRA: one number says when the next call is due. It adapts: a refusal slows it down, clean windows
speed it up again. It must not know any platform, storage or clock; times are seconds that the caller names.
Sources: GCRA from ITU-T I.371; multiplicative decrease and additive increase from Chiu and Jain 1989.
"""

from __future__ import annotations

from dataclasses import dataclass

USED = 0.98
"""Share of a limit that an even pace takes: the rest covers the one call more and the jitter of sleeping."""
SLOWER = 0.7
FASTER = 0.05
CREEP = 0.01
"""Of the declared limit: what a clean window gives back, and what is tried where the platform refused."""
FLOOR = 0.05
BELOW_REFUSED = 0.95
"""Growth stops at this share of the pace that was refused, and creeps from there."""
CREEP_WINDOWS = 20
FREE_AGAIN = 1.05
"""Clean at so much above what was refused: whoever used the rest has stopped; grow at full pace."""
BACKWARDS_S = 60.0
"""A clock that went back further than this makes all remembered times void."""
LONGEST_HOLD_S = 900.0
"""However long a platform asks us to stay away, after this time one call may look again."""
NEVER_S = -1e12


@dataclass(frozen=True, slots=True)
class Window:
    """One limit on the rate of an account's calls.

    Any time of W seconds sees at most rate·W + burst + 1 calls; `of` computes the rate for a limit. `seconds`
    is how long the platform counts, and how long we watch before we change the pace. Without a rate the
    window only carries how long nobody may call.
    """

    name: str
    rate_per_s: float | None = None
    burst: int = 0
    seconds: float = 10.0

    @classmethod
    def of(cls, name: str, *, calls: float, seconds: float, burst: int = 0) -> Window:
        """The even pace that keeps to `calls` in any `seconds`, of which `burst` may go out at once."""
        return cls(name, (USED * calls - burst) / seconds, burst, seconds)


@dataclass(frozen=True, slots=True)
class AtOnce:
    """How many calls may be under way at the same time on the whole account.

    `lease_s`: after so long a call is over, whatever became of its process; longer than any call may take.
    """

    name: str
    most: int
    seconds: float = 10.0
    lease_s: float = 150.0

    @property
    def window(self) -> Window:
        """How long nobody may call, and how much fewer, is kept like that of a rate."""
        return Window(self.name, seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class Quota:
    """A day's calls as the platform counts them; `reserve` is the share left to the company's other tools.

    `approximate`: the count it tells may run backwards, so the highest of the last hour holds. When a day
    ends is told by no answer: after `ask_again_s` one call may look.
    """

    reserve: float = 0.1
    name: str = "day"
    approximate: bool = False
    ask_again_s: float = 3600.0

    def spent(self, used: float, limit: float) -> bool:
        """Whether our share is used up."""
        return limit > 0 and used >= limit * (1 - self.reserve)


@dataclass(slots=True)
class Standing:
    """Where one limit stands. Times in seconds; `level` and what belongs to it are shares of the pace."""

    due_s: float = 0.0  # GCRA: when the next call is due at an even pace
    not_before_s: float = 0.0
    level: float = 1.0
    ceiling: float = 1.0  # growth stops here and creeps on
    refused: float = 1.0  # the level at which the platform refused last
    since_s: float = 0.0  # the clean window under way began
    cut_s: float = NEVER_S
    clean: int = 0  # clean windows at the ceiling
    used: int = 0  # of a quota, as last told
    most: int = 0
    used_s: float = 0.0
    seen_s: float = 0.0

    def look(self, now_s: float, *, seconds: float) -> None:
        """Bring it up to now: a clock set back voids what was remembered; clean windows raise the level."""
        if now_s < self.seen_s - BACKWARDS_S:
            self.due_s = self.not_before_s = 0.0
            self.since_s = self.used_s = now_s
            self.cut_s = NEVER_S
        self.seen_s = now_s
        while self.level < 1.0 and now_s - self.since_s >= seconds:
            self.since_s += seconds
            self._grow()

    def _grow(self) -> None:
        if self.level < self.ceiling:
            self.level = min(self.ceiling, self.level + FASTER)
            return
        free = self.level >= self.refused * FREE_AGAIN
        self.clean += 1
        if free or self.clean >= CREEP_WINDOWS:
            self.clean = 0
            self.level = self.ceiling = min(1.0, self.level + (FASTER if free else CREEP))

    def wait_s(self, window: Window, now_s: float) -> float:
        """Seconds until a call may go out; 0 or less: now."""
        wait_s = self.not_before_s - now_s
        if window.rate_per_s is not None:
            wait_s = max(wait_s, self.due_s - window.burst / window.rate_per_s - now_s)
        return wait_s

    def count(self, window: Window, start_s: float, *, cost: float) -> None:
        """A call goes out at `start_s`, which `wait_s` allowed."""
        if window.rate_per_s is not None:
            self.due_s = max(self.due_s, start_s) + cost / (window.rate_per_s * self.level)

    def limit(self, now_s: float, *, seconds: float, hold_s: float) -> None:
        """The platform refused for too many calls: hold everybody, slow down once a window."""
        self.hold(now_s, hold_s)
        self.since_s = now_s
        if now_s - self.cut_s < seconds:
            return
        self.cut_s = now_s
        self.refused = self.level
        self.ceiling = max(FLOOR, self.level * BELOW_REFUSED)
        self.level = max(FLOOR, self.level * SLOWER)
        self.clean = 0

    def hold(self, now_s: float, hold_s: float) -> None:
        """Nobody calls for so long."""
        self.not_before_s = max(self.not_before_s, now_s + min(hold_s, LONGEST_HOLD_S))

    def places(self, at_once: AtOnce) -> int:
        """How many calls may be under way at the present level."""
        return max(1, int(at_once.most * self.level + 1e-9))

    # ---- a day's quota ---------------------------------------------------------------------------

    def told(self, quota: Quota, now_s: float, *, used: int, limit: int) -> None:
        """The platform's own count."""
        lower = used < self.used and limit == self.most
        if quota.approximate and lower and now_s - self.used_s < quota.ask_again_s:
            used = self.used
        else:
            self.used_s = now_s
        self.used, self.most = used, limit
        spent = quota.spent(used, limit)
        self.not_before_s = now_s + quota.ask_again_s if spent else 0.0

    def over(self, quota: Quota, now_s: float, *, for_s: float | None) -> None:
        """The platform says that nothing is left."""
        self.not_before_s = now_s + min(for_s or quota.ask_again_s, quota.ask_again_s)
        self.used = max(self.used, self.most)

    def probe(self, now_s: float) -> None:
        """One call goes out to see whether a new day has begun; the others wait for its answer."""
        if 0.0 < self.not_before_s <= now_s:
            self.not_before_s = now_s + BACKWARDS_S
