"""The simulated /batches: operations run one after the other, their results in a tar.gz.

As with the real service the archive has directories, an empty file and results in no order, and its
address needs no key but dies soon. A batch moves one state further each time it is looked at.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlencode

from connectors.mailchimp.simulated.audience import digest, iso
from connectors.mailchimp.simulated.rules import Problem, invalid, not_found
from connectors.mailchimp.simulated.shapes import Json
from connectors.simulation.platform import Reply, Request

if TYPE_CHECKING:
    from connectors.mailchimp.simulator import MailchimpSimulator

STATES = ("pending", "preprocessing", "started", "finalizing", "finished")
MOST_PENDING = 500
RESULT_LIVES_S = 600


@dataclass(slots=True, eq=False)
class _Batch:
    id: str
    operations: Sequence[Mapping[str, object]]
    submitted: int
    state: int = 0
    completed: int | None = None
    results: list[Json] = field(default_factory=list)


class Batches:
    """All batches of one account."""

    RESULTS: ClassVar[str] = "/__results__/"

    def __init__(self, account: MailchimpSimulator) -> None:
        self._account = account
        self._batches: dict[str, _Batch] = {}
        self._addresses: dict[str, tuple[str, int]] = {}

    def start(self, body: Mapping[str, object], *, base: str) -> Json:
        """POST /batches."""
        operations = body.get("operations")
        if not isinstance(operations, list) or not operations:
            raise invalid("The resource submitted could not be validated.", ("operations", "Required"))
        if sum(b.state < len(STATES) - 1 for b in self._batches.values()) >= MOST_PENDING:
            raise Problem(429, "Too Many Requests", "You have exceeded the limit of 500 pending batches.")
        made = _Batch(
            digest("batch", len(self._batches), length=10), operations, submitted=self._account.seconds()
        )
        self._batches[made.id] = made
        return self._shown(made, base)

    def status(self, id: str, *, base: str) -> Json:
        """GET /batches/{id}: one state further than last time; runs when it gets to `started`."""
        found = self._batches.get(id)
        if found is None:
            raise not_found()
        if found.state < len(STATES) - 1:
            found.state += 1
            if STATES[found.state] == "started":
                self._run(found, base)
            if STATES[found.state] == "finished":
                found.completed = self._account.seconds()
        return self._shown(found, base)

    def delete(self, id: str) -> None:
        """DELETE stops a batch; its results are gone."""
        if self._batches.pop(id, None) is None:
            raise not_found()

    def _run(self, batch: _Batch, base: str) -> None:
        for operation in batch.operations:
            body = operation.get("body")
            params = operation.get("params")
            query = {str(k): str(v) for k, v in params.items()} if isinstance(params, Mapping) else {}
            method, path = str(operation.get("method")), str(operation.get("path"))
            raw = body.encode() if isinstance(body, str) else b""
            request = Request(method, path, query, {}, raw, base)
            try:
                reply = self._account.perform(method, path, query, raw, request)
                status, text = reply.status, reply.body.decode()
            except Problem as problem:
                status = problem.status
                text = json.dumps({"title": problem.title, "status": status, "detail": problem.detail})
            batch.results.append(
                {"status_code": status, "operation_id": operation.get("operation_id"), "response": text}
            )

    def _shown(self, batch: _Batch, base: str) -> Json:
        ran = batch.state >= STATES.index("started")
        address = ""
        if STATES[batch.state] == "finished":
            name = digest("result", batch.id, len(self._addresses), length=24)
            self._addresses[name] = (batch.id, self._account.seconds() + RESULT_LIVES_S)
            address = f"{base}{self.RESULTS}{name}.tar.gz?{urlencode({'signature': name})}"
        return {
            "id": batch.id,
            "status": STATES[batch.state],
            "total_operations": len(batch.operations) if ran else 0,
            "finished_operations": len(batch.results),
            "errored_operations": sum(int(str(r["status_code"])) >= 400 for r in batch.results),
            "submitted_at": iso(batch.submitted),
            "completed_at": iso(batch.completed),
            "response_body_url": address,
            "_links": [],
        }

    def result(self, request: Request) -> Reply:
        """The archive. A request with our key is refused, as the real store does with a second signature."""
        name = request.path.removeprefix(self.RESULTS).removesuffix(".tar.gz")
        batch_id, until = self._addresses.get(name, ("", 0))
        batch = self._batches.get(batch_id)
        if "authorization" in request.headers:
            return Reply(
                400, b"<Error><Code>InvalidArgument</Code></Error>", {"Content-Type": "application/xml"}
            )
        if batch is None or self._account.seconds() > until:
            return Reply(
                403, b"<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"}
            )
        return Reply(200, _archive(batch.id, batch.results), {"Content-Type": "application/gzip"})


def _archive(id: str, results: Sequence[Json]) -> bytes:
    mixed = list(results)
    random.Random(id).shuffle(mixed)
    half = (len(mixed) + 1) // 2
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        folder = tarfile.TarInfo(f"{id}/")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        files = (("empty", b""), ("a", _dumped(mixed[:half])), ("b", _dumped(mixed[half:])))
        for name, content in files:
            entry = tarfile.TarInfo(f"{id}/{name}.json")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


def _dumped(results: Sequence[Json]) -> bytes:
    return json.dumps(list(results)).encode()
