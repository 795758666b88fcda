"""Bulk API 2.0 ingest jobs: CSV in, states to poll, CSV results in any order. Results live seven days.

A job is worked on only when it is asked for: `polls` says after how many looks it is done.
"""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.salesforce.simulated.answers import Problem, moment, not_found
from connectors.salesforce.simulated.ids import made_id
from connectors.salesforce.simulated.org import USER, Org
from connectors.salesforce.simulated.rules import RowError, UnknownField

OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")
NEXT = {"UploadComplete": "InProgress", "InProgress": "JobComplete"}
LIFE_S = 7 * 86_400
CLEARS = "#N/A"


@dataclass(slots=True)
class Job:
    """One ingest job."""

    id: str
    object: str
    operation: str
    created: int
    state: str = "Open"
    data: str | None = None
    error: str = ""
    looks: int = 0
    header: list[str] = field(default_factory=list)
    done: list[list[str]] = field(default_factory=list)
    failed: list[list[str]] = field(default_factory=list)
    unprocessed: list[list[str]] = field(default_factory=list)


class Jobs:
    """All jobs of the org. `polls`, `fail_after` and `seed` are for tests to set."""

    def __init__(self, org: Org, *, version: str) -> None:
        self._org = org
        self._version = version
        self.polls = 1
        self.fail_after: int | None = None
        """A job fails as a whole after so many rows; the rest is never tried."""
        self.may_hard_delete = True
        self.jobs: dict[str, Job] = {}
        self._random = random.Random(3)

    def create(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """POST /jobs/ingest."""
        object, operation = str(given.get("object")), str(given.get("operation"))
        if object.lower() not in self._org.schema:
            raise Problem(400, "INVALIDENTITY", f"Entity '{object}' is not supported by the Bulk API.")
        if operation not in OPERATIONS:
            raise Problem(400, "INVALIDJOB", f"Unsupported operation: {operation}")
        if operation == "hardDelete" and not self.may_hard_delete:
            raise Problem(400, "FEATURENOTENABLED", "hardDelete operation requires special user profile")
        job = Job(made_id("750", len(self.jobs) + 1), object, operation, self._org.now())
        self.jobs[job.id] = job
        return self.shown(job, full=False)

    def found(self, id: str) -> Job:
        """The job, unless it is unknown or too old."""
        job = self.jobs.get(id)
        if job is None or self._org.now() - job.created > LIFE_S:
            raise not_found()
        return job

    def upload(self, id: str, body: bytes) -> None:
        """PUT …/batches: once, while the job is open."""
        job = self.found(id)
        if job.state != "Open" or job.data is not None:
            raise Problem(400, "INVALIDJOBSTATE", "Found multiple contents for job")
        job.data = body.decode("utf-8")

    def move(self, id: str, state: str) -> dict[str, Any]:
        """PATCH {"state": …}."""
        job = self.found(id)
        if state == "UploadComplete" and job.state == "Open" and job.data is not None:
            job.state = "UploadComplete"
        elif state == "Aborted" and job.state in ("Open", "UploadComplete", "InProgress"):
            job.state = "Aborted"
        else:
            raise Problem(400, "INVALIDJOBSTATE", f"Cannot move from {job.state} to {state}")
        return self.shown(job, full=False)

    def look(self, id: str) -> dict[str, Any]:
        """GET: a job that is waiting moves on by being asked for."""
        job = self.found(id)
        if job.state in NEXT:
            job.looks += 1
            if job.looks > self.polls:
                self._work(job)
            elif job.looks == self.polls:
                job.state = "InProgress"
        return self.shown(job, full=True)

    def _work(self, job: Job) -> None:
        rows = list(csv.reader(io.StringIO(job.data or "", newline="")))
        job.header, rows = (rows[0], rows[1:]) if rows else ([], [])
        job.state = "JobComplete"
        for number, row in enumerate(rows):
            if self.fail_after is not None and number >= self.fail_after:
                job.state, job.error = "Failed", "InternalServerError : worked on no further"
                job.unprocessed = rows[number:]
                break
            self._row(job, row)
        for results in (job.done, job.failed):
            self._random.shuffle(results)

    def _row(self, job: Job, row: list[str]) -> None:
        given = dict(zip(job.header, row, strict=False))
        id = given.pop("Id", "")
        values = {k: None if v == CLEARS else v for k, v in given.items() if v != ""}
        try:
            if job.operation in ("delete", "hardDelete"):
                self._org.delete(job.object, id)
                if job.operation == "hardDelete":
                    self._org.purge(job.object, id)
            elif job.operation == "insert":
                id = self._org.insert(job.object, values)
            else:
                id = self._org.update(job.object, id, values)
        except (RowError, UnknownField) as error:
            if isinstance(error, RowError):
                text = f"{error.code}:{error.message}:{' '.join(error.fields) or '--'}"
            else:
                text = f"INVALID_FIELD:{error}:--"
            job.failed.append([id, text, *row])
            return
        job.done.append([id, "true" if job.operation == "insert" else "false", *row])

    def results(self, id: str, kind: str) -> str:
        """CSV of one kind of results, as the service quotes it: every cell."""
        job = self.found(id)
        columns, rows = {
            "successfulResults": (["sf__Id", "sf__Created"], job.done),
            "failedResults": (["sf__Id", "sf__Error"], job.failed),
            "unprocessedrecords": ([], job.unprocessed),
            "unprocessedRecords": ([], job.unprocessed),
        }[kind]
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerows([[*columns, *job.header], *rows])
        return text.getvalue()

    def shown(self, job: Job, *, full: bool) -> dict[str, Any]:
        """A job as JSON; counts only when it is asked for."""
        answer: dict[str, Any] = {
            "id": job.id,
            "operation": job.operation,
            "object": job.object,
            "createdById": USER,
            "createdDate": moment(job.created),
            "systemModstamp": moment(job.created),
            "state": job.state,
            "concurrencyMode": "Parallel",
            "contentType": "CSV",
            "apiVersion": float(self._version),
            "contentUrl": f"services/data/v{self._version}/jobs/ingest/{job.id}/batches",
            "lineEnding": "LF",
            "columnDelimiter": "COMMA",
        }
        if full:
            answer.update(
                jobType="V2Ingest",
                numberRecordsProcessed=len(job.done) + len(job.failed),
                numberRecordsFailed=len(job.failed),
                retries=0,
                totalProcessingTime=100,
                apiActiveProcessingTime=50,
                apexProcessingTime=0,
                isPkChunkingSupported=False,
            )
            if job.error:
                answer["errorMessage"] = job.error
        return answer
