"""Bulk import jobs: refused as a whole at the door, or queued, processed and complete as time passes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from connectors.klaviyo.simulated import imports
from connectors.klaviyo.simulated.account import Account
from connectors.klaviyo.simulated.call import empty
from connectors.klaviyo.simulated.problems import Json, Problem, invalid
from connectors.klaviyo.simulated.shapes import time

MOST_PROFILES = 10_000
LARGEST_BODY_BYTES = 5_000_000
QUEUED_S = 1
PROFILES_PER_S = 5_000
KEPT_S = 7 * 86_400


@dataclass(slots=True)
class Job:
    """One import. `errors`: import-errors as their JSON."""

    id: str
    rows: Sequence[Mapping[str, object]]
    lists: Sequence[str]
    created: int
    done_at: int
    state: str = "queued"
    errors: list[Json] = field(default_factory=list)
    profiles: list[str] = field(default_factory=list)


class Jobs:
    """The account's imports. `cancel_next`: so many of the next jobs end as cancelled, with nothing done."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.jobs: dict[str, Job] = {}
        self.cancel_next = 0
        self.stalled = False
        """While true, jobs stay queued whatever the time."""

    def start(self, rows: Sequence[Mapping[str, object]], lists: Sequence[str], *, size: int) -> Job:
        """A new job; raises Problem and imports nobody if anything is malformed."""
        pointer = "/data/attributes/profiles/data"
        if size > LARGEST_BODY_BYTES:
            raise Problem(
                413, "payload_too_large", "Payload too large.", "The body exceeds the limit of 5MB."
            )
        if not 1 <= len(rows) <= MOST_PROFILES:
            raise invalid(f"Between 1 and {MOST_PROFILES} profiles are allowed per job.", pointer=pointer)
        for id_ in lists:
            if id_ not in self._account.lists:
                raise invalid(f"List {id_} does not exist.", pointer="/data/relationships/lists/data")
        refused: Problem | None = None
        for place, row in enumerate(rows):
            problem = imports.refusal(row, f"{pointer}/{place}")
            if problem is not None:
                refused = problem if refused is None else refused.also(problem)
        if refused is not None:
            raise refused
        now = self._account.now()
        done_at = now + QUEUED_S + 1 + len(rows) // PROFILES_PER_S
        job = Job(self._account.number(22), rows, lists, now, done_at)
        if self.cancel_next:
            self.cancel_next -= 1
            job.state, job.rows = "cancelled", ()
        self.jobs[job.id] = job
        return job

    def advance(self) -> None:
        """Let the jobs come as far as the time says; effects show only when a job is complete."""
        now = self._account.now()
        for job in [job for job in self.jobs.values() if job.state in ("queued", "processing")]:
            if self.stalled:
                continue
            if now >= job.done_at:
                self._finish(job)
            elif now >= job.created + QUEUED_S:
                job.state = "processing"
        for id_ in [j.id for j in self.jobs.values() if now > j.created + KEPT_S]:
            del self.jobs[id_]

    def _finish(self, job: Job) -> None:
        claimed: dict[str, int] = {}
        for place, row in enumerate(job.rows):
            try:
                profile, _ = imports.apply(self._account, row)
                if profile.id in claimed:
                    raise imports.Conflict("Two profiles of the job claim the same identifier.")
                claimed[profile.id] = place
            except imports.Conflict as conflict:
                job.errors.append(self._error(row, str(conflict)))
                continue
            job.profiles.append(profile.id)
            for id_ in job.lists:
                if id_ in self._account.lists:
                    self._account.join(self._account.lists[id_], profile)
        job.state = "complete"

    def _error(self, row: Mapping[str, object], detail: str) -> Json:
        return {
            "type": "import-error",
            "id": self._account.number(22),
            "attributes": {
                "code": "invalid",
                "title": "Invalid input.",
                "detail": detail,
                "source": {"pointer": "/data"},
                "original_payload": {"id": row.get("id"), **empty(row.get("attributes"))},
            },
        }


def shape(job: Job, base: str) -> Json:
    """The job as JSON:API."""
    ended = job.state in ("complete", "cancelled")
    url = f"{base}/api/profile-bulk-import-jobs/{job.id}/"
    return {
        "type": "profile-bulk-import-job",
        "id": job.id,
        "attributes": {
            "status": job.state,
            "created_at": time(job.created),
            "total_count": len(job.rows),
            "completed_count": len(job.rows) - len(job.errors) if job.state == "complete" else 0,
            "failed_count": len(job.errors),
            "started_at": None if job.state == "queued" else time(job.created + QUEUED_S),
            "completed_at": time(job.done_at) if ended else None,
            "expires_at": time(job.created + KEPT_S),
        },
        "links": {"self": url},
    }
