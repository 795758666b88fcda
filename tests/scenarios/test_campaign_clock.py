"""The campaign's clock never goes back, whoever moves it: a platform's time does not either."""

from __future__ import annotations

import os

from tests.scenarios.campaign.clock import SharedClock

MOVES = 20_000
LIVES = 3


def test_processes_that_move_the_time_at_once_lose_nothing_of_it() -> None:
    clock = SharedClock()
    lives = []
    for _ in range(LIVES):
        life = os.fork()
        if life == 0:
            for _ in range(MOVES):
                clock.advance(1.0)
            os._exit(0)
        lives.append(life)
    assert [os.waitpid(life, 0)[1] for life in lives] == [0] * LIVES
    assert clock.now_s() == LIVES * MOVES
