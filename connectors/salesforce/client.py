"""Calls to Salesforce through its SDK. The only importer of the SDK.

The SDK retries nothing and has no timeout; its own re-login is not safe for threads and can recurse for
ever. So it gets a session that we logged in, `Client` logs in anew once for all threads, and what an answer
means is judged from the raw answer, which `Transport` keeps. Calls are paced and counted; a share of the
daily quota is left alone.
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import requests
from jwt import PyJWTError
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError, SalesforceOperationError
from simple_salesforce.login import SalesforceLogin

from connectors.budget import Budget
from connectors.errors import Unauthorized, Unavailable
from connectors.pacing import Clock, Limits, Pacer
from connectors.salesforce.answers import QUOTA_WAIT_S, Answer, Refused, SessionOver, reaction
from connectors.salesforce.settings import SUFFIX, Settings
from connectors.server_time import ServerTime
from connectors.standing import Quota

Json = dict[str, Any]
Result = TypeVar("Result")
LOOPBACK = ("127.0.0.1", "::1", "localhost")
TIMEOUT_S = (5.0, 130.0)
FAILURES = (
    SalesforceError,
    SalesforceOperationError,
    PyJWTError,
    requests.RequestException,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
)
"""What the SDK lets through when an answer is not what it expects."""


class Transport(HTTPAdapter):
    """Bounded pool, timeout, another base address if wanted; keeps each thread's last answer."""

    def __init__(
        self,
        *,
        base_url: str | None,
        connections: int,
        answered: Callable[[Mapping[str, str]], object] = lambda _: None,
    ) -> None:
        super().__init__(pool_maxsize=connections, pool_block=True, max_retries=0)
        self._base = urlsplit(base_url.rstrip("/")) if base_url else None
        self._seen = threading.local()
        self._answered = answered

    def forget(self) -> None:
        """What this thread got before belongs to another call."""
        self._seen.answer = None

    def last(self) -> Answer:
        """The answer this thread got last; status 0 if the last call got none."""
        found: Answer | None = getattr(self._seen, "answer", None)
        return found or Answer()

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        self._seen.answer = None
        if self._base is not None:
            url = urlsplit(str(request.url))
            path = self._base.path + url.path
            request.url = urlunsplit((self._base.scheme, self._base.netloc, path, url.query, ""))
        options["timeout"] = TIMEOUT_S
        answer = super().send(request, *args, **options)
        self._seen.answer = Answer(answer.status_code, answer.content, answer.headers)
        self._answered(answer.headers)
        return answer


class Client:
    """Paced, counted calls. Raises the engine's reactions, or `Refused` for the caller."""

    def __init__(self, settings: Settings, *, clock: Clock, budget: Budget | None = None) -> None:
        self._settings = settings
        self._day = Quota(settings.daily_reserve, approximate=True, ask_again_s=QUOTA_WAIT_S)
        limits = Limits(concurrency=settings.connections, quota=self._day)
        self.pacer = Pacer(limits, clock=clock, budget=budget)
        self.clock = clock
        self.time = ServerTime(clock, self.limits, refused=Refused)
        self._http = requests.Session()
        self._transport = Transport(
            base_url=settings.base_url, connections=settings.connections, answered=self.time.heard
        )
        for scheme in ("https://", "http://"):
            self._http.mount(scheme, self._transport)
        # A company's proxy and certificates hold for Salesforce, never for a simulator on this machine.
        host = urlsplit(settings.base_url or "https://salesforce.com").hostname
        self._http.trust_env = host not in LOOPBACK
        self._http.headers["User-Agent"] = "segsync (simple-salesforce)"
        self._session: Salesforce | None = None
        self._login_lock = threading.Lock()
        self._lock = threading.Lock()
        self.reads = 0
        self.writes = 0

    def close(self) -> None:
        """Let go of all sockets."""
        self._http.close()

    # ---- calls -----------------------------------------------------------------------------------

    def query(self, soql: str, *, deleted: bool = False) -> Json:
        """The first page of a query; `deleted`: rows of the bin and archived ones, too."""
        return self._read(lambda sf: sf.query(soql, include_deleted=deleted), expect="records")

    def describe(self, object: str) -> Json:
        """Object and fields as our user sees them. Raises Refused (missing) without access to the object."""
        return self._read(lambda sf: sf.restful(f"sobjects/{object}/describe"), expect="fields")

    def limits(self) -> Json:
        """The org's quotas."""
        return self._read(lambda sf: sf.limits(), expect="DailyApiRequests")

    def write_rows(self, method: str, records: list[Json]) -> list[Json]:
        """Create (POST) or update (PATCH) up to 200 records; one result for each, in order."""
        body = {"allOrNone": False, "records": records}
        return self._rows(
            lambda sf: sf.restful("composite/sobjects", method=method, json=body), count=len(records)
        )

    def delete_rows(self, ids: list[str]) -> list[Json]:
        """Delete up to 200 records by id; one result for each, in order."""
        params = {"ids": ",".join(ids), "allOrNone": "false"}
        return self._rows(
            lambda sf: sf.restful("composite/sobjects", method="DELETE", params=params), count=len(ids)
        )

    def create_once(self, path: str, body: Json) -> Json:
        """POST one record or setup object; an answer that got lost is not repaired by sending it again."""

        def post(sf: Salesforce) -> Any:
            return sf.restful(path, method="POST", data=json.dumps(body))

        def send() -> Json | Unavailable:
            try:
                return dict(self._once(post, write=True, expect="id"))
            except Unavailable as lost:
                return lost

        made = self.pacer.call(send)
        if isinstance(made, Unavailable):
            raise made
        return made

    def change_one(self, object: str, id: str, body: Json) -> None:
        """Update one record. Raises Refused (missing)."""
        self._write(lambda sf: sf.restful(f"sobjects/{object}/{id}", method="PATCH", data=json.dumps(body)))

    def delete_one(self, object: str, id: str) -> None:
        """Move one record to the bin. Raises Refused (missing)."""
        self._write(lambda sf: sf.restful(f"sobjects/{object}/{id}", method="DELETE"))

    # ---- bulk ------------------------------------------------------------------------------------

    def open_job(self, object: str, operation: str) -> str:
        """A new ingest job; returns its id."""
        return str(self._write(lambda sf: _bulk(sf, object).create_job(operation), expect="id")["id"])

    def upload(self, object: str, job_id: str, rows: str) -> None:
        """The CSV of a job, once."""
        self._write(lambda sf: _bulk(sf, object).upload_job_data(job_id, rows))

    def start_job(self, object: str, job_id: str) -> None:
        """The upload is complete."""
        self._write(lambda sf: _bulk(sf, object).close_job(job_id), expect="state")

    def abort_job(self, object: str, job_id: str) -> None:
        """Work on a job no further."""
        self._write(lambda sf: _bulk(sf, object).abort_job(job_id, False), expect="state")

    def job(self, object: str, job_id: str) -> Json:
        """State and counts of a job."""
        return self._read(lambda sf: _bulk(sf, object).get_job(job_id, False), expect="state")

    def results(self, object: str, job_id: str, kind: str) -> str:
        """One kind of results as CSV text. The bytes are UTF-8 whatever the answer's header says."""

        def fetch(sf: Salesforce) -> str:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "results.csv"
                _bulk(sf, object).download_ingest_results(str(file), job_id, kind)
                return file.read_bytes().decode("utf-8")

        return self._call(fetch, write=False)

    # ---- sending ---------------------------------------------------------------------------------

    def _read(self, call: Callable[[Salesforce], Any], *, expect: str) -> Json:
        return dict(self._call(call, write=False, expect=expect))

    def _write(self, call: Callable[[Salesforce], Any], *, expect: str | None = None) -> Json:
        return dict(self._call(call, write=True, expect=expect) or {})

    def _rows(self, call: Callable[[Salesforce], Any], *, count: int) -> list[Json]:
        def send(sf: Salesforce) -> list[Json]:
            rows = call(sf) or []
            if not isinstance(rows, list) or len(rows) != count:
                raise ValueError("not one result for each record")
            return [dict(row) for row in rows]

        return self._call(send, write=True)

    def _call(
        self, call: Callable[[Salesforce], Result], *, write: bool, expect: str | None = None
    ) -> Result:
        return self.pacer.call(lambda: self._once(call, write=write, expect=expect))

    def _once(
        self, call: Callable[[Salesforce], Result], *, write: bool, expect: str | None = None
    ) -> Result:
        """One send; a session that has ended is renewed once, by whichever thread comes first."""
        sf = self._logged_in(instead_of=None)
        try:
            return self._attempt(sf, call, write=write, expect=expect)
        except SessionOver:
            sf = self._logged_in(instead_of=sf)
        try:
            return self._attempt(sf, call, write=write, expect=expect)
        except SessionOver:
            raise Unauthorized("Salesforce ends every new session at once; check the run-as user") from None

    def _attempt(
        self, sf: Salesforce, call: Callable[[Salesforce], Result], *, write: bool, expect: str | None
    ) -> Result:
        self._counted(write=write)
        self._transport.forget()
        try:
            result = call(sf)
            if expect is not None and (not isinstance(result, Mapping) or expect not in result):
                raise ValueError("the answer is incomplete")
        except FAILURES:
            raise reaction(self._transport.last()) from None
        finally:
            self._learn_quota(self._transport.last())
        return result

    def _logged_in(self, *, instead_of: Salesforce | None) -> Salesforce:
        """The session of all threads; a new one if there is none, or if `instead_of` has ended."""
        with self._login_lock:
            if self._session is None or self._session is instead_of:
                self._session = self._login()
            return self._session

    def _login(self) -> Salesforce:
        given, version = self._settings, self._settings.api_version
        how: dict[str, Any] = {"consumer_secret": given.consumer_secret, "domain": given.domain}
        if given.private_key is not None:
            how = {
                "username": given.username,
                "privatekey": given.private_key,
                "domain": "test" if given.sandbox else "login",
                "instance_url": given.domain,
            }
        self._counted(write=False)
        self._transport.forget()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the SDK's would print the consumer key
                token, host = SalesforceLogin(consumer_key=given.consumer_key, session=self._http, **how)
            if not isinstance(token, str) or not host.endswith(SUFFIX):
                raise ValueError("not a login")
        except FAILURES as error:
            unsent = self._transport.last().status == 0 and not isinstance(error, requests.RequestException)
            if unsent and given.private_key is not None:
                raise Unauthorized("private_key is not a PEM key that can sign") from None
            raise reaction(self._transport.last(), token=True) from None
        return Salesforce(
            session_id=token, instance_url=f"https://{host}", session=self._http, version=version
        )

    # ---- counting --------------------------------------------------------------------------------

    def _counted(self, *, write: bool) -> None:
        with self._lock:
            if write:
                self.writes += 1
            else:
                self.reads += 1

    def _learn_quota(self, answer: Answer) -> None:
        """The counter of the org is approximate and runs backwards: the highest one counts for an hour."""
        found = re.match(r"api-usage=(\d+)/(\d+)", answer.headers.get("Sforce-Limit-Info", ""))
        if found:
            self.pacer.budget.told(self._day, used=int(found.group(1)), limit=int(found.group(2)))


def _bulk(sf: Salesforce, object: str) -> Any:
    """The SDK's calls of one bulk job; its own one-call helpers sleep on the computer's clock."""
    return getattr(sf.bulk2, object)._client
