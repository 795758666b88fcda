"""Budgets in the database: many processes keep to one limit, take turns, and wait together."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from connectors.budget import Budget, MemoryBudgets
from connectors.errors import QuotaSpent, RateLimited
from connectors.pacing import ManualClock
from connectors.standing import AtOnce, Quota, Window
from sync.store import Store
from sync.store.budgets import DatabaseBudgets
from sync.store.database import Database
from sync.store.migrate import migrate
from sync.store.tables import budget_places
from tests.databases import database_urls
from tests.sync.store.spenders import AT_ONCE, BURSTY, CALLS, HOLD_S, REFUSED_AFTER, densest, spend

SECONDS = 2.5
LIMIT = 25  # calls a second of CALLS, of which an even pace takes 98 %
FAIR = 0.25
"""No process gets further from an equal share than this part of it (of turns; of places, see below)."""
UNDER_WAY_S = 0.3


def made(url: str) -> Database:
    database = Database(url)
    migrate(database)
    return database


def budgets(store: Store, clock: ManualClock) -> DatabaseBudgets:
    """By a clock in our hands."""
    return DatabaseBudgets(store.database, clock=clock, now_s=lambda: clock.utc_now().timestamp())


# ---- processes -----------------------------------------------------------------------------------


def test_eight_processes_hold_the_limit_within_two_percent_and_nobody_starves(database_url: str) -> None:
    made(database_url).close()
    notes = spend(database_url, "rate", seconds=SECONDS)
    moments = [began_s for mine in notes for began_s, _ in mine]
    assert densest(moments, 1.0) <= LIMIT * 1.02
    span_s = max(moments) - min(moments)
    assert (len(moments) - 1) / span_s == pytest.approx(0.98 * LIMIT, rel=0.02)
    share = len(moments) / len(notes)
    assert len(notes) == 8
    assert all(abs(len(mine) - share) <= FAIR * share + 1 for mine in notes), [len(m) for m in notes]


def test_a_burst_is_shared_too(database_url: str) -> None:
    made(database_url).close()
    notes = spend(database_url, "bursty", seconds=1.5)
    moments = [began_s for mine in notes for began_s, _ in mine]
    assert BURSTY.rate_per_s is not None
    assert densest(moments, 0.8) >= BURSTY.burst
    for window_s in (0.1, 0.5, 1.0, 1.5):
        assert densest(moments, window_s) <= BURSTY.rate_per_s * window_s + BURSTY.burst + 1


def test_a_refusal_of_one_process_holds_all_and_slows_all(database_url: str) -> None:
    made(database_url).close()
    notes = spend(database_url, "refused", seconds=SECONDS)
    refused_s = notes[0][REFUSED_AFTER - 1][1]
    calls = sorted(call for mine in notes for call in mine)
    before = [granted_s for granted_s, _ in calls if granted_s <= refused_s]
    assert densest(before, 0.5) >= 0.9 * LIMIT * 0.5
    # Calls that went out while the refusal came in cannot be called back.
    assert [sent_s for _, sent_s in calls if refused_s + UNDER_WAY_S < sent_s < refused_s + HOLD_S] == []
    after = [granted_s for granted_s, _ in calls if granted_s >= refused_s + HOLD_S]
    assert sum(mine[-1][0] >= refused_s + HOLD_S for mine in notes) == 8
    assert densest(after, 0.5) <= 0.7 * 0.98 * LIMIT * 0.5 + 1


def test_never_more_calls_at_once_than_the_account_allows_and_all_get_their_share(database_url: str) -> None:
    made(database_url).close()
    notes = spend(database_url, "places", seconds=1.5)
    calls = sorted(call for mine in notes for call in mine)
    most = max(sum(a <= began_s < b for a, b in calls) for began_s, _ in calls)
    assert most == AT_ONCE.most
    share = len(calls) / len(notes)
    # SQLite lets waiting writers in by chance, so who asks when is not only up to the line.
    assert all(len(mine) >= 0.4 * share for mine in notes), [len(mine) for mine in notes]


def test_a_killed_process_loses_its_place_at_once_on_this_machine(database_url: str) -> None:
    database = made(database_url)
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.sync.store.spenders", database_url, "held"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    clock = ManualClock()
    budget = DatabaseBudgets(database, clock=clock).account("Spent", "account")
    child.kill()
    child.wait()
    with budget.place(AtOnce("at once", 1)):
        pass
    assert clock.sleeps == []
    database.close()


# ---- by a clock in our hands -----------------------------------------------------------------------


def test_a_place_of_another_machine_is_free_when_its_lease_ends(store: Store) -> None:
    one = AtOnce("at once", 1, lease_s=150)
    clock = ManualClock()
    theirs, ours = (budgets(store, clock).account("P", "a") for _ in range(2))
    with theirs.place(one):  # 150 s later, by our clock, it is nobody's
        elsewhere = {"host": "elsewhere", "place": ["boot", "space"], "pid": 1, "started": "1"}
        with store.database.writing() as connection:
            connection.execute(update(budget_places).values(owner=elsewhere))
        with ours.place(one):
            assert 150 <= clock.now_s() <= 170  # looked at now and then
    with store.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(budget_places)).scalar() == 0


def test_accounts_and_platforms_do_not_share(store: Store) -> None:
    clock = ManualClock()
    kept = budgets(store, clock)
    window = Window("calls", 1.0)
    kept.account("P", "a").limited(window, hold_s=100)
    assert kept.account("P", "b").take([window]) == 0
    assert kept.account("Q", "a").take([window]) == 0
    assert kept.account("P", "a").take([window]) == 100


def test_what_is_spent_outlives_the_process(store: Store) -> None:
    clock = ManualClock()
    day = Quota(reserve=0.1)
    first = budgets(store, clock).account("P", "a")
    first.told(day, used=900, limit=1000)
    later = budgets(store, clock).account("P", "a")
    with pytest.raises(QuotaSpent, match=r"900 of .* 1,000 P calls of a day are used; 10% are left"):
        later.take([Window("calls")], quota=day)
    assert later.day(day) == (900, 1000)
    clock.advance(3601)
    assert later.take([Window("calls")], quota=day) == 0


def test_a_clock_that_was_set_back_stops_nobody(store: Store) -> None:
    clock = ManualClock()
    window = Window("calls", 1.0)
    budgets(store, clock).account("P", "a").limited(window, hold_s=800)
    earlier = ManualClock(start=clock.utc_now().replace(year=2020))
    assert budgets(store, earlier).account("P", "a").take([window]) == 0


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["take", "take", "take", "limited", "told", "advance", "hold"]), st.integers(1, 40)
    ),
    max_size=40,
)


@settings(max_examples=12, deadline=None, derandomize=True)
@given(operations=OPERATIONS)
def test_a_database_says_what_memory_says(
    operations: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    for url in database_urls(tmp_path_factory.mktemp("same")).values():
        database, clock = made(url), ManualClock()
        kept = DatabaseBudgets(database, clock=clock, now_s=lambda clock=clock: clock.utc_now().timestamp())
        both = kept.account("P", "a"), MemoryBudgets(clock).account("P", "a")
        for what, number in operations:
            if what == "advance":
                clock.advance(number)
            else:
                stored, remembered = (answer(budget, what, number) for budget in both)
                assert stored == remembered
        database.close()


def answer(budget: Budget, what: str, number: int) -> object:
    windows = [Window.of("calls", calls=100, seconds=10, burst=5), Window.of("day", calls=30, seconds=9000)]
    if what == "take":
        try:
            wait_s = budget.take(windows, quota=Quota(0.2), cost=1 + number % 3)
        except RateLimited as error:
            return str(error), type(error)
        return pytest.approx(wait_s, abs=2e-6)
    if what == "limited":
        return budget.limited(windows[0], hold_s=number / 10)
    if what == "hold":
        return budget.hold(windows[1], number)
    return budget.told(Quota(0.2), used=number, limit=40)


@pytest.fixture
def small(store: Store) -> Budget:
    return DatabaseBudgets(store.database, clock=ManualClock()).account("P", "a")


def test_a_turn_that_cannot_be_waited_for_takes_nothing(small: Budget) -> None:
    slow = Window("slow", 0.001)
    assert small.take([slow]) == 0
    for _ in range(3):
        with pytest.raises(RateLimited, match="due in 1,000 s"):
            small.take([slow, CALLS])
    assert small.take([CALLS]) == 0
