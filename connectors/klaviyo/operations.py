"""The calls of Klaviyo's API that segsync makes: address, rate, scopes, as the vendor describes them.

Names are those of the vendor's operations and of the SDK's methods. What is not in this table cannot be
called: nothing here can subscribe anybody or lift a suppression. One call changes a consent, in the one
direction of less: `bulk_unsubscribe_profiles`, which only `optouts.py` makes and only if it was turned on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """Fixed windows per endpoint and account: calls in one second, in one minute, and in one day."""

    burst: int
    steady: int
    per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One call. `slow` is the rate with the query parameter that Klaviyo answers more slowly."""

    method: str
    path: str
    rate: Rate
    scopes: frozenset[str]
    slow: Rate | None = None

    @property
    def write(self) -> bool:
        """Whether it changes something on the platform."""
        return self.method != "GET"


FAST = Rate(75, 750)
MEDIUM = Rate(10, 150)
SMALL = Rate(3, 60)
PREDICTIVE = MEDIUM
COUNTED = Rate(1, 15)


def operation(method: str, path: str, rate: Rate, *scopes: str, slow: Rate | None = None) -> Operation:
    """An operation with its scopes."""
    return Operation(method, path, rate, frozenset(scopes), slow)


IMPORTS = "/api/profile-bulk-import-jobs"
OPERATIONS: Mapping[str, Operation] = {
    "get_accounts": operation("GET", "/api/accounts", COUNTED, "accounts:read"),
    "get_metrics": operation("GET", "/api/metrics", MEDIUM, "metrics:read"),
    "get_events": operation("GET", "/api/events", Rate(350, 3500), "events:read"),
    "get_profiles": operation("GET", "/api/profiles", FAST, "profiles:read", slow=PREDICTIVE),
    "get_profile": operation("GET", "/api/profiles/{id}", FAST, "profiles:read", slow=COUNTED),
    "get_lists": operation("GET", "/api/lists", FAST, "lists:read"),
    "get_list": operation("GET", "/api/lists/{id}", FAST, "lists:read", slow=COUNTED),
    "get_segments": operation("GET", "/api/segments", FAST, "segments:read"),
    "get_profiles_for_list": operation(
        "GET", "/api/lists/{id}/profiles", FAST, "lists:read", "profiles:read", slow=PREDICTIVE
    ),
    "get_profiles_for_segment": operation(
        "GET", "/api/segments/{id}/profiles", FAST, "profiles:read", "segments:read"
    ),
    "get_profile_ids_for_list": operation(
        "GET", "/api/lists/{id}/relationships/profiles", FAST, "lists:read", "profiles:read", slow=PREDICTIVE
    ),
    "get_profile_ids_for_segment": operation(
        "GET", "/api/segments/{id}/relationships/profiles", FAST, "profiles:read", "segments:read"
    ),
    "create_list": operation("POST", "/api/lists", Rate(10, 150, per_day=150), "lists:write"),
    "update_list": operation("PATCH", "/api/lists/{id}", MEDIUM, "lists:write"),
    "delete_list": operation("DELETE", "/api/lists/{id}", MEDIUM, "lists:write"),
    "add_profiles_to_list": operation(
        "POST", "/api/lists/{id}/relationships/profiles", MEDIUM, "lists:write", "profiles:write"
    ),
    "remove_profiles_from_list": operation(
        "DELETE", "/api/lists/{id}/relationships/profiles", MEDIUM, "lists:write", "profiles:write"
    ),
    "bulk_import_profiles": operation("POST", IMPORTS, MEDIUM, "lists:write", "profiles:write"),
    "get_bulk_import_profiles_job": operation(
        "GET", IMPORTS + "/{job_id}", MEDIUM, "lists:read", "profiles:read"
    ),
    "get_errors_for_bulk_import_profiles_job": operation(
        "GET", IMPORTS + "/{id}/import-errors", MEDIUM, "profiles:read"
    ),
    "request_profile_deletion": operation(
        "POST", "/api/data-privacy-deletion-jobs", SMALL, "data-privacy:write"
    ),
    "bulk_unsubscribe_profiles": operation(
        "POST",
        "/api/profile-subscription-bulk-delete-jobs",
        FAST,
        "lists:write",
        "profiles:write",
        "subscriptions:write",
    ),
}
