"""Requirements of the time forecast: calls side by side, jobs that are waited for, a platform's pace."""

from __future__ import annotations

from pyroaring import BitMap

from connectors.base import AudienceKind, BatchShape, Features
from sync.forecast import audience_s
from sync.plan import PlannedBatch

LIST = BatchShape(100, 100, together=True)
JOB = BatchShape(100, 100, together=True, job_s=10.0)
ONE_BY_ONE = BatchShape(100, 100, together=True, calls_per_change=True)


def seconds(shape: BatchShape, *calls: int, at_once: int = 1) -> float:
    features = Features((), {AudienceKind.LIST: shape}, concurrency=at_once, seconds_per_call=0.5)
    jobs = 1 if shape.job_s else 0
    batches = [PlannedBatch(1, BitMap(), BitMap(), False, count, jobs) for count in calls]
    return audience_s(features, AudienceKind.LIST, batches)


def test_calls_that_go_side_by_side_take_less_time() -> None:
    assert seconds(LIST, *[1] * 12) == 6.0
    assert seconds(LIST, *[1] * 12, at_once=6) == 1.0


def test_one_call_is_not_faster_for_many_connections() -> None:
    assert seconds(LIST, 1, at_once=6) == 0.5
    assert seconds(LIST, 10, 1, at_once=6) == 5.0  # the calls of one batch follow one another


def test_people_who_take_a_call_each_go_side_by_side() -> None:
    assert seconds(ONE_BY_ONE, 600, at_once=6) == 50.0


def test_jobs_are_waited_for() -> None:
    assert seconds(JOB, 1) == 10.5
    assert seconds(JOB, 1, 1, at_once=2) == 10.5
