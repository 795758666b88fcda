"""One Bulk 2.0 job: rows up as CSV, results back and matched to the rows by id, in whatever order they come.

A job that fails half-way leaves rows untried; they count as not answered. Nothing here sleeps on the
computer's clock.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from connectors.errors import Unavailable, UnexpectedResponse
from connectors.salesforce.client import Client
from connectors.salesforce.rows import Result

WRITE_CALLS = 3
"""Create, upload, start. Asking how it went and fetching the results are reads."""
FIRST_POLL_S = 2.0
LONGEST_POLL_S = 30.0
PATIENCE_S = 3600.0
CLEARS = "#N/A"
ENDED = ("JobComplete", "Failed", "Aborted")
TRIES = 3


def run_job(
    client: Client, object: str, operation: str, columns: Sequence[str], rows: Sequence[Sequence[str | None]]
) -> dict[str, Result | None]:
    """Id → result, for every row; None: the job never came to it. The first column is `Id`.

    Null clears a field. Raises Refused for a job the org does not take, and Unavailable for one that does
    not end in time: it is aborted then.
    """
    job_id = client.open_job(object, operation)
    client.upload(object, job_id, _text(columns, rows))
    client.start_job(object, job_id)
    state = _ended(client, object, job_id)
    results: dict[str, Result | None] = {str(row[0]): None for row in rows}
    done, failed = _fetched(client, object, job_id, state)
    results.update({row["sf__Id"]: Result() for row in done if row["sf__Id"] in results})
    for row in failed:
        code, _, rest = row["sf__Error"].partition(":")
        fields = rest.rpartition(":")[2].split()
        results[row["Id"]] = Result(code or "UNKNOWN", fields[0] if fields and fields[0] != "--" else None)
    if state["state"] == "JobComplete" and None in results.values():
        raise UnexpectedResponse("a bulk job is complete but does not tell what became of some rows")
    return results


def _text(columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[CLEARS if cell is None else cell for cell in row] for row in rows])
    return text.getvalue()


def _ended(client: Client, object: str, job_id: str) -> Mapping[str, object]:
    clock, wait_s = client.clock, FIRST_POLL_S
    deadline_s = clock.now_s() + PATIENCE_S
    while clock.now_s() < deadline_s:
        clock.sleep(wait_s)
        state = client.job(object, job_id)
        if state["state"] in ENDED:
            return state
        wait_s = min(LONGEST_POLL_S, wait_s * 1.5)
    client.abort_job(object, job_id)
    raise Unavailable("a bulk job did not end within an hour and was given up; the same rows are sent again")


def _fetched(
    client: Client, object: str, job_id: str, state: Mapping[str, object]
) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Successful and failed rows; as many as the job counts, or an answer was cut short."""
    failures = int(str(state.get("numberRecordsFailed") or 0))
    successes = int(str(state.get("numberRecordsProcessed") or 0)) - failures
    found = []
    for kind, count in (("successfulResults", successes), ("failedResults", failures)):
        rows: list[dict[str, str]] = []
        for _ in range(TRIES if count else 0):
            text = client.results(object, job_id, kind)
            rows = [dict(row) for row in csv.DictReader(io.StringIO(text, newline=""))]
            if len(rows) == count:
                break
        if len(rows) != count:
            raise Unavailable("the results of a bulk job are incomplete; the same rows are sent again")
        found.append(rows)
    return found[0], found[1]
