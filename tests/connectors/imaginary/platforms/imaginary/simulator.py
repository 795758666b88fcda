"""Imaginary over loopback HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from connectors.simulation import Reply, Request, Simulation

PAGE = 50
KEY = "imaginary-key"
COUNTRIES = ("DE", "FR", "AT")
CONSENTS = ("yes", "yes", "no", None)


class ImaginarySimulator(Simulation):
    """One account with so many people in it and one tag of somebody else's."""

    name: ClassVar[str] = "imaginary"
    simultaneous: ClassVar[int | None] = 6

    def __init__(self, people: int, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__()
        self._now = now
        self.contacts: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, tuple[str, set[str]]] = {"t0": ("Friends", set())}
        for number in range(people):
            self.add(number, ago=timedelta(days=30) - timedelta(seconds=number // 3))

    @property
    def credentials(self) -> Mapping[str, str]:
        return {"api_key": KEY}

    def add(self, number: int, *, ago: timedelta = timedelta()) -> None:
        """Contact c0, c1, …"""
        self.contacts[f"c{number}"] = {
            "id": f"c{number}",
            "email": f"person{number}@example.com",
            "first_name": f"Name{number}",
            "country": COUNTRIES[number % 3],
            "consent": CONSENTS[number % 4],
            "changed": (self._now() - ago).isoformat(timespec="microseconds"),
        }

    def operation(self, request: Request) -> str:
        parts = request.path.strip("/").split("/")
        return f"{request.method} /" + "/".join("{id}" if at == 1 else one for at, one in enumerate(parts))

    def too_many(self, request: Request, *, retry_after_s: float | None = None) -> Reply:
        return Reply(429, headers={} if retry_after_s is None else {"Retry-After": f"{retry_after_s:g}"})

    def answer(self, request: Request) -> Reply:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return _json(401, {"error": "wrong_key"})
        body = json.loads(request.body or b"{}")
        match (request.method, *request.path.strip("/").split("/")):
            case ("GET", "me"):
                return _json(200, {"account": "Imaginary Ltd"})
            case ("GET", "contacts"):
                return self._contacts(request.query["after"], request.query["until"])
            case ("DELETE", "contacts", id_):
                return self._erase(id_)
            case ("GET", "tags"):
                tags = [
                    {"id": id_, "name": name, "members": len(ids)} for id_, (name, ids) in self.tags.items()
                ]
                return _json(200, {"tags": tags})
            case ("POST", "tags"):
                return self._make(str(body["name"]))
            case (_, "tags", id_, "members") if id_ not in self.tags:
                return _json(404, {"error": "no_such_tag"})
            case ("GET", "tags", id_, "members"):
                return _json(200, {"members": [self.contacts[one] for one in sorted(self.tags[id_][1])]})
            case ("POST", "tags", id_, "members"):
                return self._change(self.tags[id_][1], body["add"], body["remove"])
        return _json(404, {"error": "no_such_address"})

    def _contacts(self, after: str, until: str) -> Reply:
        order = sorted((one["changed"], id_) for id_, one in self.contacts.items() if one["changed"] < until)
        ids = [id_ for changed, id_ in order if f"{changed} {id_}" > after]
        carried = {id_: [name for name, held in self.tags.values() if id_ in held] for id_ in ids[:PAGE]}
        rows = [{**self.contacts[id_], "tags": tags} for id_, tags in carried.items()]
        return _json(200, {"contacts": rows, "more": len(ids) > PAGE})

    def _erase(self, id_: str) -> Reply:
        if self.contacts.pop(id_, None) is None:
            return _json(404, {"error": "no_such_contact"})
        for _, ids in self.tags.values():
            ids.discard(id_)
        return Reply(204)

    def _make(self, name: str) -> Reply:
        if any(known.casefold() == name.casefold() for known, _ in self.tags.values()):
            return _json(409, {"error": "name_taken"})
        made = f"t{len(self.tags)}-{len(name)}"
        self.tags[made] = (name, set())
        return _json(201, {"id": made})

    def _change(self, carriers: set[str], add: list[str], remove: list[str]) -> Reply:
        if max(len(add), len(remove)) > 25:
            return _json(400, {"error": "too_many_people"})
        known = {one["email"]: id_ for id_, one in self.contacts.items()}
        carriers |= {known[email] for email in add if email in known}
        carriers -= {known[email] for email in remove if email in known}
        return _json(
            200, {"refused": {email: "no_such_contact" for email in (*add, *remove) if email not in known}}
        )


def _json(status: int, content: object) -> Reply:
    return Reply(status, json.dumps(content).encode())
