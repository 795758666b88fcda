"""Versions of models in the control database, on both databases."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy.exc import IntegrityError

from sync.store import Store
from sync.store.models import ModelState, ModelVersion
from tests.sync.store.conftest import NOW


def version(number: int, state: ModelState = ModelState.FITTED, *, model: str = "rfm") -> ModelVersion:
    document = {"parameters": {"recency": [None, 1.5]}, "notices": [{"message": "ünder"}]}
    return ModelVersion(model, number, NOW + dt.timedelta(days=number), state, "abc", document)


def test_versions_come_back_as_they_were_the_newest_first(store: Store) -> None:
    made = [version(1), version(2, ModelState.NO_BETTER), version(1, model="clv")]
    for one in made:
        store.models.add(one)
    assert store.models.versions() == [made[2], made[1], made[0]]
    assert store.models.versions("rfm") == [made[1], made[0]]
    assert store.models.versions("other") == []


def test_an_attempt_that_was_refused_is_replaced_by_the_next_one(store: Store) -> None:
    store.models.add(version(1, ModelState.REFUSED))
    store.models.add(version(1))
    assert store.models.versions() == [version(1)]


def test_a_version_that_was_fitted_never_changes(store: Store) -> None:
    store.models.add(version(1))
    with pytest.raises(IntegrityError):
        store.models.add(version(1))
