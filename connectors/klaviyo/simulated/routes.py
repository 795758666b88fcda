"""The addresses of the simulated Klaviyo: handler, rate and scopes of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from connectors.klaviyo.operations import (
    FAST,
    IMPORTS,
    MEDIUM,
    OPERATIONS,
    Operation,
    Rate,
    operation,
)
from connectors.klaviyo.simulated import reading_routes, writing_routes
from connectors.klaviyo.simulated.call import Handler

SUBSCRIPTIONS = ("profiles:write", "subscriptions:write")
MORE: Mapping[str, Operation] = {
    "create_profile": operation("POST", "/api/profiles", FAST, "profiles:write"),
    "update_profile": operation("PATCH", "/api/profiles/{id}", FAST, "profiles:write"),
    "create_or_update_profile": operation("POST", "/api/profile-import", FAST, "profiles:write"),
    "get_bulk_import_profiles_jobs": operation("GET", IMPORTS, MEDIUM, "lists:read", "profiles:read"),
    "get_profiles_for_bulk_import_profiles_job": operation(
        "GET", IMPORTS + "/{id}/profiles", MEDIUM, "profiles:read"
    ),
    "bulk_subscribe_profiles": operation(
        "POST", "/api/profile-subscription-bulk-create-jobs", FAST, "lists:write", *SUBSCRIPTIONS
    ),
    "bulk_suppress_profiles": operation(
        "POST", "/api/profile-suppression-bulk-create-jobs", FAST, *SUBSCRIPTIONS
    ),
    "bulk_unsuppress_profiles": operation(
        "POST", "/api/profile-suppression-bulk-delete-jobs", FAST, "subscriptions:write"
    ),
}
"""What the simulator answers for other clients beside the calls that segsync makes."""

HANDLERS: Mapping[str, Handler] = {
    "get_accounts": reading_routes.account_details,
    "get_metrics": reading_routes.metrics,
    "get_events": reading_routes.events,
    "get_profiles": reading_routes.profiles,
    "get_profile": reading_routes.profile,
    "get_lists": reading_routes.lists,
    "get_segments": reading_routes.segments,
    "get_profiles_for_list": reading_routes.list_profiles,
    "get_profile_ids_for_list": reading_routes.list_profile_ids,
    "get_profiles_for_segment": reading_routes.segment_profiles,
    "get_profile_ids_for_segment": reading_routes.segment_profile_ids,
    "get_bulk_import_profiles_job": reading_routes.import_job,
    "get_bulk_import_profiles_jobs": reading_routes.import_jobs,
    "get_errors_for_bulk_import_profiles_job": reading_routes.import_errors,
    "get_profiles_for_bulk_import_profiles_job": reading_routes.import_profiles,
    "get_list": writing_routes.get_list,
    "create_list": writing_routes.create_list,
    "update_list": writing_routes.rename_list,
    "delete_list": writing_routes.delete_list,
    "add_profiles_to_list": writing_routes.add_members,
    "remove_profiles_from_list": writing_routes.remove_members,
    "bulk_import_profiles": writing_routes.start_import,
    "create_profile": writing_routes.create_profile,
    "update_profile": writing_routes.patch_profile,
    "create_or_update_profile": writing_routes.upsert,
    "request_profile_deletion": writing_routes.erase,
    "bulk_subscribe_profiles": writing_routes.subscribe,
    "bulk_unsubscribe_profiles": writing_routes.unsubscribe,
    "bulk_suppress_profiles": writing_routes.suppress,
    "bulk_unsuppress_profiles": writing_routes.lift,
}


@dataclass(frozen=True, slots=True)
class Route:
    """One address with its handler."""

    name: str
    operation: Operation
    pattern: re.Pattern[str]
    handler: Handler

    def rate(self, query: Mapping[str, str]) -> tuple[str, Rate]:
        """Which windows the call counts in, and how much they hold."""
        asked = ",".join(query.get(n, "") for n in SLOWING)
        if self.operation.slow is not None and any(word in asked for word in SLOW_WORDS):
            return f"{self.name}, slow", self.operation.slow
        return self.name, self.operation.rate


SLOWING = ("additional-fields[profile]", "additional-fields[list]", "include")
SLOW_WORDS = ("predictive_analytics", "profile_count", "list", "segment")


def _route(name: str, known: Operation) -> Route:
    pattern = re.sub(r"\{\w+\}", "([^/]+)", known.path)
    return Route(name, known, re.compile(pattern), HANDLERS[name])


ROUTES = tuple(_route(name, known) for name, known in {**OPERATIONS, **MORE}.items())
