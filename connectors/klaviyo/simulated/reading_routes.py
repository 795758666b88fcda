"""GET: profiles, groups and their members, events, metrics, jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from connectors.klaviyo.simulated import jobs, shapes
from connectors.klaviyo.simulated.account import Event, Group, Profile
from connectors.klaviyo.simulated.call import Answer, Call
from connectors.klaviyo.simulated.filters import LIST_SUPPRESSIONS, SUPPRESSION, Term
from connectors.klaviyo.simulated.problems import Json, not_found

SORTS = ("created", "updated", "email", "id", f"{SUPPRESSION}.timestamp", f"{LIST_SUPPRESSIONS}.timestamp")


def _value(found: Profile, name: str) -> object:
    """What a filter or an order looks at; a tuple: any of several."""
    consent = found.consent
    if name == f"{SUPPRESSION}.reason":
        return tuple(reason for reason, _ in consent.suppression)
    if name == f"{SUPPRESSION}.timestamp":
        return tuple(at for _, at in consent.suppression)
    if name.startswith(LIST_SUPPRESSIONS):
        place = ("list_id", "reason", "timestamp").index(name.rpartition(".")[2])
        return tuple(one[place] for one in consent.list_suppressions)
    return getattr(found, name)


def _key(found: Profile, name: str) -> object:
    value = _value(found, name)
    if isinstance(value, tuple):
        return max(value, default=0)
    return value or ""


def profiles(call: Call) -> Answer:
    account, asked = call.account, call.asked("profiles")
    terms = asked.terms()
    name, descending = asked.sort(SORTS, "id")
    size = asked.size(20, 100)
    additional = asked.listed("additional-fields[profile]", shapes.ADDITIONAL)
    chosen = asked.listed("fields[profile]", shapes.CHOOSABLE)
    named = [term.value for term in terms if term.field == "id"]
    if named and isinstance(named[0], frozenset):  # the others need not be looked at, which may be a million
        some = [account.profiles[id_] for id_ in named[0] if id_ in account.profiles]
        pairs = sorted(((_key(one, name), one.id) for one in some), key=lambda pair: (pair[0], pair[1]))
    else:
        pairs = account.sorted(name, lambda: ((_key(p, name), p.id) for p in account.profiles.values()))
    return 200, asked.page(
        pairs,
        lambda id_: all(term.holds(_value(account.profiles[id_], term.field)) for term in terms),
        size=size,
        descending=descending,
        show=lambda id_: shapes.profile(
            account.profiles[id_], call.base, additional=additional, chosen=chosen
        ),
    )


def profile(call: Call, id: str) -> Answer:
    found = call.account.profiles.get(id)
    if found is None:
        raise not_found("profile", id)
    asked = call.asked("profiles")
    additional = asked.listed("additional-fields[profile]", shapes.ADDITIONAL)
    chosen = asked.listed("fields[profile]", shapes.CHOOSABLE)
    shown = shapes.profile(found, call.base, additional=additional, chosen=chosen)
    return 200, {"data": shown, "links": {"self": f"{call.base}/api/profiles/{id}/"}}


def _groups(call: Call, home: Mapping[str, Group], kind: str) -> Answer:
    asked = call.asked(f"{kind}s")
    terms = asked.terms()
    name, descending = asked.sort(("created", "id", "name", "updated"), "id")
    pairs = sorted((getattr(group, name), group.id) for group in home.values())
    return 200, asked.page(
        pairs,
        lambda id_: all(term.holds(getattr(home[id_], term.field)) for term in terms),
        size=asked.size(10, 10),
        descending=descending,
        show=lambda id_: shapes.group(home[id_], call.base, kind),
    )


def lists(call: Call) -> Answer:
    return _groups(call, call.account.lists, "list")


def segments(call: Call) -> Answer:
    return _groups(call, call.account.segments, "segment")


def list_profiles(call: Call, id: str) -> Answer:
    return _members(call, _group(call.account.lists, "list", id), "list members", whole=True)


def list_profile_ids(call: Call, id: str) -> Answer:
    return _members(call, _group(call.account.lists, "list", id), "list members", whole=False)


def segment_profiles(call: Call, id: str) -> Answer:
    return _members(call, _group(call.account.segments, "segment", id), "segment members", whole=True)


def segment_profile_ids(call: Call, id: str) -> Answer:
    return _members(call, _group(call.account.segments, "segment", id), "segment members", whole=False)


def _group(home: Mapping[str, Group], kind: str, id: str) -> Group:
    if id not in home:
        raise not_found(kind, id)
    return home[id]


def _members(call: Call, group: Group, resource: str, *, whole: bool) -> Answer:
    asked = call.asked(resource)
    terms = asked.terms()
    _, descending = asked.sort(("joined_group_at",), "joined_group_at")
    additional = asked.listed("additional-fields[profile]", shapes.ADDITIONAL)
    chosen = asked.listed("fields[profile]", shapes.CHOOSABLE)
    account = call.account

    def value(id_: str, term: Term) -> object:
        return (
            group.members[id_]
            if term.field == "joined_group_at"
            else getattr(account.profiles[id_], term.field)
        )

    def show(id_: str) -> Json:
        if not whole:
            return {"type": "profile", "id": id_}
        found = account.profiles[id_]
        joined = group.members[id_]
        return shapes.profile(found, call.base, additional=additional, chosen=chosen, joined=joined)

    pairs = account.sorted(("members", group.id), lambda: ((at, id_) for id_, at in group.members.items()))
    return 200, asked.page(
        pairs,
        lambda id_: all(term.holds(value(id_, term)) for term in terms),
        size=asked.size(20, 100),
        descending=descending,
        show=show,
    )


EVENT_VALUES: Mapping[str, Callable[[Event], object]] = {
    "metric_id": lambda event: event.metric,
    "profile_id": lambda event: event.profile,
    "datetime": lambda event: event.at,
    "timestamp": lambda event: event.at,
}


def events(call: Call) -> Answer:
    account, asked = call.account, call.asked("events")
    terms = asked.terms()
    _, descending = asked.sort(("datetime", "timestamp"), "datetime")
    included = asked.listed("include", ("metric", "profile", "attributions"))
    chosen = asked.listed("fields[profile]", shapes.CHOOSABLE)
    wanted = next((t.value for t in terms if t.field == "metric_id"), None)
    if isinstance(wanted, str):
        by_id = account.events.get(wanted, {})
    else:
        by_id = {id_: event for home in account.events.values() for id_, event in home.items()}
    pairs = account.sorted(("events", wanted), lambda: ((event.at, event.id) for event in by_id.values()))
    page = asked.page(
        pairs,
        lambda id_: all(term.holds(EVENT_VALUES[term.field](by_id[id_])) for term in terms),
        size=asked.size(200, 1000),
        descending=descending,
        show=lambda id_: shapes.event(by_id[id_], call.base, included=included),
    )
    if included:
        shown = [by_id[str(row["id"])] for row in page["data"]]  # type: ignore[attr-defined]
        more: dict[str, Json] = {}
        if "profile" in included:
            for id_ in dict.fromkeys(event.profile for event in shown):
                more[id_] = shapes.profile(account.profiles[id_], call.base, chosen=chosen)
        if "metric" in included:
            for id_ in dict.fromkeys(event.metric for event in shown):
                more[id_] = shapes.metric(account.metrics[id_], call.base)
        page["included"] = list(more.values())
    return 200, page


def metrics(call: Call) -> Answer:
    asked = call.asked("metrics")
    asked.terms()
    known = call.account.metrics
    pairs = sorted((metric.created, metric.id) for metric in known.values())
    return 200, asked.page(
        pairs, lambda _: True, size=200, show=lambda id_: shapes.metric(known[id_], call.base)
    )


def account_details(call: Call) -> Answer:
    """Choice: the few attributes segsync looks at; this area's description is not among the referees."""
    about: Json = {
        "contact_information": {"organization_name": "Example Company"},
        "timezone": "Europe/Berlin",
        "preferred_currency": "EUR",
        "public_api_key": "AbC123",
    }
    return 200, {
        "data": [
            {
                "type": "account",
                "id": "AbC123",
                "attributes": about,
                "links": {"self": f"{call.base}/api/accounts/AbC123/"},
            }
        ],
        "links": {"self": f"{call.base}/api/accounts", "next": None, "prev": None},
    }


def import_jobs(call: Call) -> Answer:
    asked = call.asked("jobs")
    asked.terms()
    _, descending = asked.sort(("created_at",), "created_at")
    known = call.jobs.jobs
    pairs = sorted((job.created, job.id) for job in known.values())
    return 200, asked.page(
        pairs,
        lambda _: True,
        size=asked.size(20, 100),
        descending=descending,
        show=lambda id_: jobs.shape(known[id_], call.base),
    )


def import_job(call: Call, id: str) -> Answer:
    job = _job(call, id)
    return 200, {"data": jobs.shape(job, call.base), "links": {"self": f"{call.base}{call.path}"}}


def import_errors(call: Call, id: str) -> Answer:
    errors = {str(error["id"]): error for error in _job(call, id).errors}
    asked = call.asked("jobs")
    pairs = [(place, id_) for place, id_ in enumerate(errors)]
    return 200, asked.page(pairs, lambda _: True, size=asked.size(20, 100), show=lambda id_: errors[id_])


def import_profiles(call: Call, id: str) -> Answer:
    account = call.account
    asked = call.asked("jobs")
    there = [id_ for id_ in _job(call, id).profiles if id_ in account.profiles]
    return 200, asked.page(
        list(enumerate(there)),
        lambda _: True,
        size=asked.size(20, 100),
        show=lambda id_: shapes.profile(account.profiles[id_], call.base),
    )


def _job(call: Call, id: str) -> jobs.Job:
    if id not in call.jobs.jobs:
        raise not_found("profile-bulk-import-job", id)
    return call.jobs.jobs[id]
