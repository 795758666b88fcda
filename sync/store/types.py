"""Column types of the control database: bitmaps as bytes, times as aware UTC."""

from __future__ import annotations

import datetime as dt

from pyroaring import BitMap
from sqlalchemy import BigInteger, DateTime, Dialect, Integer, LargeBinary
from sqlalchemy.types import TypeDecorator


class BitmapType(TypeDecorator[BitMap]):
    """A set of person numbers (`pyroaring.BitMap`) in roaring's portable serialisation; NULL is None."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: BitMap | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002
        return None if value is None else bytes(value.serialize())

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> BitMap | None:  # noqa: ARG002
        return None if value is None else BitMap.deserialize(bytes(value))


class UtcDateTime(TypeDecorator[dt.datetime]):
    """An aware instant. PostgreSQL keeps the zone; SQLite keeps naive UTC. Naive values are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("times must be aware (UTC)")
        value = value.astimezone(dt.UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(
        self,
        value: dt.datetime | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


Id = BigInteger().with_variant(Integer, "sqlite")
"""Row ids: 64 bits; SQLite numbers rows by itself only for a column declared INTEGER."""
