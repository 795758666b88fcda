"""One budget per account: the pace, what adapts it, the day's quota, and who is held back by a refusal."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Connector
from connectors.budget import MemoryBudget, MemoryBudgets
from connectors.errors import QuotaSpent, RateLimited
from connectors.hubspot.simulator import HubspotSimulator
from connectors.klaviyo.simulator import KlaviyoSimulator
from connectors.mailchimp.simulator import MailchimpSimulator
from connectors.pacing import Limits, ManualClock, Pacer
from connectors.registry import platform
from connectors.salesforce.simulator import SalesforceSimulator
from connectors.simulation import Kind, Script, Simulation, serve
from connectors.standing import BELOW_REFUSED, FLOOR, SLOWER, AtOnce, Quota, Standing, Window

SIMULATORS: Mapping[str, Callable[..., Simulation]] = {
    "hubspot": HubspotSimulator,
    "klaviyo": KlaviyoSimulator,
    "mailchimp": MailchimpSimulator,
    "salesforce": SalesforceSimulator,
}


@contextmanager
def running(name: str) -> Iterator[tuple[Simulation, ManualClock, Callable[..., Connector]]]:
    """A simulator whose clock we hold, and how to open connections to its account."""
    clock = ManualClock()
    simulator = SIMULATORS[name](now=clock.utc_now)
    opened: list[Connector] = []
    with serve(simulator) as address:

        def connect(**given: object) -> Connector:
            values = {**simulator.credentials, "base_url": address, **given}
            opened.append(platform(name).open(values, clock))  # type: ignore[arg-type]
            return opened[-1]

        yield simulator, clock, connect
        for connector in opened:
            connector.close()


# ---- every platform ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(SIMULATORS))
def test_a_429_holds_back_every_thread_and_every_connection_on_the_account(name: str) -> None:
    with running(name) as (simulator, clock, connect):
        first, second = connect(), connect()
        _ = first.audiences(), second.audiences()
        clock.advance(60)
        statuses = simulator.traffic.statuses
        sent: list[float] = []
        began_s: list[float] = []
        plain = simulator.answer
        simulator.answer = lambda request: (sent.append(clock.now_s()), plain(request))[1]  # type: ignore[method-assign]
        simulator.faults.add(Script(Kind.RATE_LIMITED, "*", times=1, retry_after_s=40))
        with pytest.MonkeyPatch.context() as patch:
            # Whoever is refused lets all others go first: none of them may send before the 40 s are over.
            plain_sleep = clock.sleep

            def sleep(seconds: float) -> None:
                if statuses[429] + statuses[403] and not began_s:
                    began_s.append(clock.now_s())
                    others = [threading.Thread(target=c.audiences) for c in (first, second, second)]
                    for other in others:
                        other.start()
                    for other in others:
                        other.join()
                plain_sleep(seconds)

            patch.setattr(clock, "sleep", sleep)
            first.audiences()
        assert statuses[429] + statuses[403] == 1
        assert [at for at in sent if began_s[0] < at < began_s[0] + 40] == []
        assert sum(at >= began_s[0] + 40 for at in sent) >= 4


@pytest.mark.parametrize("name", sorted(SIMULATORS))
def test_another_account_is_not_held_back(name: str) -> None:
    key = {"hubspot": "access_token", "salesforce": "domain"}.get(name, "api_key")
    with running(name) as (simulator, clock, connect):
        connector = connect()
        connector.audiences()
        budgets = [c._client for c in (connector, connect())]  # type: ignore[attr-defined]
        other = connect(**{key: "elsewhere.my.salesforce.com" if name == "salesforce" else "a" * 32 + "-us1"})
        found = {id(getattr(c, "_budget", None) or c.pacer.budget) for c in budgets}
        theirs = other._client  # type: ignore[attr-defined]
        assert len(found) == 1
        assert id(getattr(theirs, "_budget", None) or theirs.pacer.budget) not in found
        assert clock.now_s() < 5
        assert simulator.traffic.statuses[429] == 0


def test_mailchimp_never_has_more_calls_open_than_allowed_however_many_connections_there_are() -> None:
    with running("mailchimp") as (simulator, _, connect):
        simulator.delay_s = 0.1  # long beside what a busy machine keeps a thread waiting
        connectors = [connect(connections=6) for _ in range(3)]
        threads = [threading.Thread(target=c.audiences) for c in connectors for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert simulator.traffic.statuses[429] == 0
        assert 0.9 * 6 <= simulator.traffic.most_open <= 6


def test_two_connections_use_nine_tenths_of_hubspots_limit_together_without_a_429() -> None:
    with running("hubspot") as (simulator, clock, connect):
        connectors = connect(), connect()
        for connector in connectors:
            connector.audiences()
        before, sent = clock.now_s(), simulator.traffic.reads
        for number in range(400):
            connectors[number % 2].audiences()
        pace = (simulator.traffic.reads - sent) / (clock.now_s() - before)
        assert simulator.traffic.statuses[429] == 0
        assert 0.9 * 19 <= pace <= 19


@pytest.mark.parametrize(("name", "reserve"), [("hubspot", 0.1), ("hubspot", 0.3), ("salesforce", 0.1)])
def test_the_reserve_of_the_day_is_left_to_others_and_the_rest_is_used(name: str, reserve: float) -> None:
    with running(name) as (simulator, clock, connect):
        if isinstance(simulator, HubspotSimulator):
            simulator.limits.daily = 400
        elif isinstance(simulator, SalesforceSimulator):
            simulator.daily_calls = 400
        connector, second = connect(daily_reserve=reserve), connect(daily_reserve=reserve)

        def use_up() -> None:
            while True:
                connector.audiences()
                second.audiences()

        with pytest.raises(QuotaSpent) as caught:
            use_up()
        used = simulator.limits.used_today if isinstance(simulator, HubspotSimulator) else simulator.used  # type: ignore[attr-defined]
        assert 400 * (1 - reserve) <= used <= 400 * (1 - reserve) + 6  # Salesforce's count is approximate
        assert caught.value.resets_at is not None
        assert (caught.value.resets_at - clock.utc_now()).total_seconds() == pytest.approx(3600, abs=1)
        assert f"{caught.value.resets_at:%Y-%m-%d %H:%M} UTC" in str(caught.value)
        calls = simulator.traffic.reads
        for other in (connector, second, connect()):
            with pytest.raises(QuotaSpent):
                other.audiences()
        assert simulator.traffic.reads == calls  # nothing is sent to find out
        clock.advance(86_400)
        if isinstance(simulator, SalesforceSimulator):
            simulator.used = 0
        connector.audiences()


def test_new_klaviyo_lists_keep_to_our_share_of_the_day() -> None:
    clock = ManualClock()
    budget = MemoryBudgets(clock).account("Klaviyo", "a")
    from connectors.klaviyo.client import windows
    from connectors.klaviyo.operations import OPERATIONS

    drawn = windows("create_list", OPERATIONS["create_list"].rate, daily_reserve=0.1)
    made: list[float] = []
    while clock.now_s() < 3 * 86_400:
        try:
            clock.sleep(budget.take(drawn))
            made.append(clock.now_s())
        except QuotaSpent as spent:
            clock.advance(spent.retry_after_s or math.nan)
    assert densest(made, 86_400) <= 0.9 * 150
    assert sum(at >= 86_400 for at in made) / 2 >= 15  # it goes on, evenly


# ---- the rules -----------------------------------------------------------------------------------


def densest(moments: list[float], window_s: float) -> int:
    inside: deque[float] = deque()
    most = 0
    for at in sorted(moments):
        inside.append(at)
        while at - inside[0] >= window_s:
            inside.popleft()
        most = max(most, len(inside))
    return most


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rates=st.lists(st.tuples(st.floats(0.5, 50), st.integers(0, 20)), min_size=1, max_size=3),
    steps=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 3), st.booleans()), min_size=1, max_size=80),
)
def test_no_window_of_any_length_sees_more_than_the_bound(
    rates: list[tuple[float, int]], steps: list[tuple[float, int, bool]]
) -> None:
    """Whatever callers do, in all limits at once: rate·W + burst + 1."""
    clock = ManualClock()
    budget = MemoryBudget("P", clock=clock)
    windows = [Window(f"w{number}", rate, burst) for number, (rate, burst) in enumerate(rates)]
    sent: list[float] = []
    for pause_s, callers, refused in steps:
        clock.advance(pause_s if pause_s > 1 else 0)
        now_s = clock.now_s()
        waits = [budget.take(windows, patience_s=math.inf) for _ in range(callers)]
        sent += [now_s + wait_s for wait_s in waits]
        clock.sleep(max(waits))
        if refused and pause_s > 2.5:
            budget.limited(windows[0], hold_s=0.1)
    for window in windows:
        assert window.rate_per_s is not None
        for length_s in (0.1, 1.0, 3.0, 10.0):
            assert densest(sent, length_s) <= window.rate_per_s * length_s + window.burst + 1 + 1e-6


def test_a_refusal_slows_down_once_a_window_and_never_below_the_floor() -> None:
    standing = Standing()
    for at in (0.0, 1.0, 9.9):
        standing.look(at, seconds=10)
        standing.limit(at, seconds=10, hold_s=0)
    assert standing.level == pytest.approx(SLOWER)
    standing.look(12, seconds=10)
    standing.limit(12, seconds=10, hold_s=0)
    assert standing.level == pytest.approx(SLOWER**2)
    for number in range(100):
        standing.look(20 + 10 * number, seconds=10)
        standing.limit(20 + 10 * number, seconds=10, hold_s=0)
    assert standing.level == FLOOR


def test_clean_windows_give_the_pace_back_step_by_step() -> None:
    standing = Standing()
    standing.limit(0, seconds=10, hold_s=0)
    levels = []
    for number in range(1, 200):
        standing.look(10.0 * number, seconds=10)
        levels.append(standing.level)
    assert levels[:4] == pytest.approx([0.75, 0.8, 0.85, 0.9])
    assert levels[4] == BELOW_REFUSED
    assert levels[-1] == 1.0
    assert all(b - a <= 0.05 + 1e-9 for a, b in pairwise(levels))


@pytest.mark.parametrize(("limit", "seconds", "retry_after_s"), [(190, 10, 10), (190, 10, 1), (100, 10, 10)])
def test_beside_a_second_tool_nearly_all_of_what_is_free_is_used_and_hardly_a_call_refused(
    limit: int, seconds: int, retry_after_s: float
) -> None:
    """An hour: the other one takes 40 % of the account, and 80 % from half past on."""
    clock = ManualClock()
    window = Window.of("calls", calls=limit, seconds=seconds)
    recent: deque[float] = deque()
    theirs, next_s = 0, 0.0

    def admitted(at: float) -> bool:
        while recent and recent[0] <= at - seconds:
            recent.popleft()
        if len(recent) < limit:
            recent.append(at)
            return True
        return False

    def send() -> None:
        nonlocal theirs, next_s
        while next_s <= clock.now_s():
            theirs += admitted(next_s)
            next_s += seconds / (limit * (0.4 if next_s < 1800 else 0.8))
        if not admitted(clock.now_s()):
            raise RateLimited("too many", retry_after_s=retry_after_s)
        done.append(clock.now_s())

    done: list[float] = []
    pacer = Pacer(Limits(windows=(window,)), clock=clock)
    while clock.now_s() < 3600:
        pacer.call(send)
    assert pacer.rate_limited / (len(done) + pacer.rate_limited) <= 0.002
    assert len(done) >= 0.9 * (3600 / seconds * limit - theirs)


def test_a_count_that_runs_backwards_is_not_believed_until_an_hour_has_passed() -> None:
    clock, day = ManualClock(), Quota(0.1, approximate=True)
    budget = MemoryBudget("P", clock=clock)
    budget.told(day, used=900, limit=1000)
    budget.told(day, used=890, limit=1000)
    with pytest.raises(QuotaSpent):
        budget.take((), quota=day)
    clock.advance(3601)
    budget.told(day, used=10, limit=1000)
    assert budget.take((), quota=day) == 0


def test_after_the_wait_one_call_looks_whether_a_new_day_has_begun() -> None:
    clock, day = ManualClock(), Quota(0.1)
    budget = MemoryBudget("P", clock=clock)
    budget.told(day, used=900, limit=1000)
    clock.advance(3600)
    budget.take((), quota=day)
    with pytest.raises(QuotaSpent):
        budget.take((), quota=day)
    budget.told(day, used=1, limit=1000)
    assert budget.take((), quota=day) == 0


def test_refusals_for_too_many_at_once_lead_to_fewer_at_once() -> None:
    clock, six = ManualClock(), AtOnce("at once", 6)
    budget = MemoryBudget("P", clock=clock)
    places = [budget._places(six)]
    for _ in range(20):
        budget.limited(six.window, hold_s=0)
        clock.advance(six.seconds)
        places.append(budget._places(six))
    assert places[:2] == [6, 4]
    assert places[-1] == 1
    clock.advance(10_000)
    assert budget._places(six) == 6
