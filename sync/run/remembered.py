"""What a connection can do, as of when it was last asked: kept in the store, read while nobody is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from connectors.base import (
    AudienceKind,
    BatchShape,
    Consent,
    Features,
    FieldType,
    RecordStates,
    Stream,
    StreamField,
    StreamKind,
)

_NUMBERS = ("name_limit", "concurrency", "seconds_per_call", "calls_per_s")


@dataclass(frozen=True, slots=True)
class Absent:
    """Stands for a connection that nobody asks: all that is known of it is what it can do."""

    features: Features


def dumped(features: Features) -> dict[str, object]:
    """As JSON."""
    return {
        "streams": [{**asdict(stream), "standard": dict(stream.standard)} for stream in features.streams],
        "audiences": sorted(kind.value for kind in features.audiences),
        "shapes": [{"kind": kind.value, **asdict(shape)} for kind, shape in features.audiences.items()],
        "unlisted": sorted(features.unlisted),
        **{name: getattr(features, name) for name in _NUMBERS},
    }


def streams_of(noted: Mapping[str, Any]) -> tuple[Stream, ...]:
    """The streams of what `dumped` made."""
    return tuple(_stream(one) for one in noted["streams"])


def features_of(noted: Mapping[str, Any]) -> Features | None:
    """All of what `dumped` made; None if an older segsync noted it, which kept less."""
    if "shapes" not in noted:
        return None
    shapes = {
        AudienceKind(one["kind"]): BatchShape(
            **{name: value for name, value in one.items() if name != "kind"}
        )
        for one in noted["shapes"]
    }
    return Features(
        streams=streams_of(noted),
        audiences=shapes,
        unlisted=frozenset(Consent(one) for one in noted["unlisted"]),
        **{name: noted[name] for name in _NUMBERS},
    )


def _stream(found: dict[str, Any]) -> Stream:
    record = found.get("record")
    fields = [StreamField(**{**field, "type": FieldType(field["type"])}) for field in found["fields"]]
    return Stream(
        name=found["name"],
        kind=StreamKind(found["kind"]),
        fields=tuple(fields),
        standard=found["standard"],
        activity_kinds=tuple(found["activity_kinds"]),
        record=None if record is None else RecordStates(**{**record, "kinds": tuple(record["kinds"])}),
        incremental=found["incremental"],
        reading=found.get("reading", 1),
        own_field=found.get("own_field"),
        own_field_lag_s=found.get("own_field_lag_s", 0.0),
    )
