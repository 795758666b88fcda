"""One campaign from its seed: lives that die, in bad weather; then calm, and what must hold."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.scenarios.campaign.bound import Bound, bounds
from tests.scenarios.campaign.clock import SharedClock
from tests.scenarios.campaign.company import CONNECTIONS, DOMAIN, PLATFORMS
from tests.scenarios.campaign.inspecting import inspect
from tests.scenarios.campaign.living import DISK, SKEW, Life, fork, import_everything, segsync
from tests.scenarios.campaign.remote import Remote
from tests.scenarios.commits import AROUND, COMMIT, COMMITS

POINTS = ("received", "applied", "answered")
EARLY = 0.75
"""Kills are drawn among this share of what the last whole life did: bad weather makes many lives shorter."""
FIRST_COMMITS = 60
"""A guess at the commits of a life, until one has told how many there are."""
CHECK_EVERY = int(os.environ.get("SEGSYNC_CAMPAIGN_CHECK", "25"))
"""Kills between two calms in which everything is checked; fewer of them find the guilty life sooner."""
DAY_S = 86_400.0


@dataclass
class Result:
    """What a campaign did and found."""

    seed: int
    database: str
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    lives: int = 0
    checks: int = 0
    exits: Counter[str] = field(default_factory=Counter)
    bounds: list[Bound] = field(default_factory=list)
    reads: int = 0
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "seed": self.seed,
            "database": self.database,
            "kills": self.kills.total(),
            "killed": dict(self.kills),
            "faults": dict(sorted(self.faults.items())),
            "lives": self.lives,
            "checks": self.checks,
            "exits": dict(sorted(self.exits.items())),
            "calls": sum(one.writes for one in self.bounds),
            "bound": sum(one.most for one in self.bounds),
            "terms": [one.document() for one in self.bounds],
            "reads": self.reads,
            "violations": self.violations,
            "seconds": round(self.seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1),
        }


class Campaign:
    """One company, one store, many lives."""

    def __init__(
        self,
        *,
        kills: int,
        seed: int,
        database: str,
        people: int,
        more: bool = False,
        log: Path | None = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.wanted = kills
        self.people = people
        self.more = more
        self.progress = progress
        self.result = Result(seed, database)
        self.random = random.Random(f"campaign {seed}")
        self.clock = SharedClock()
        self.folder = Path(tempfile.mkdtemp(prefix="segsync-campaign-"))
        self.log = log
        self.said: list[str] = []
        self.commits = FIRST_COMMITS
        self.code = 0  # of the last calm life
        import_everything()
        # before the fork, and before anything is open: the platforms have a process of their own
        self.platforms = Remote(self.folder, self.clock, people=people, seed=seed)
        self.url = self._new_database(database)
        self.config = Path(self.platforms("start", self.url))
        os.environ.update(self.platforms("secrets"))

    def _new_database(self, kind: str) -> str:
        if kind == "sqlite":
            return "sqlite:///segsync.db"
        from tests.databases import postgres_url

        return postgres_url()

    # ---- the campaign ----------------------------------------------------------------------------

    def run(self) -> Result:
        """All of it."""
        started = time.monotonic()
        self._calm_life("run")
        self._check("the first run")
        self.platforms("edit", erasing=self.more)
        since = 0
        while self.result.kills.total() < self.wanted and not self.result.violations:
            before = self.result.kills.total()
            if self.random.random() < 0.4:
                self.platforms("step", 6)
            self._stormy_life()
            since += self.result.kills.total() - before
            if since >= CHECK_EVERY:
                since = 0
                self._converge()
        self._converge()
        self._count()
        self.result.seconds = time.monotonic() - started
        self.platforms.close()
        if not self.result.violations:  # else it is looked at
            shutil.rmtree(self.folder, ignore_errors=True)
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        self.result.cpu_seconds = sum(one.ru_utime + one.ru_stime for one in used)
        return self.result

    def _stormy_life(self) -> None:
        """A life in bad weather, which dies at a call, at a commit or at some moment, or meets worse."""
        choose = self.random.choice
        self.platforms("storm", self.random.randrange(0, 6))
        environment: dict[str, str] = {SKEW: str(choose((0, 0, 0, 600, -600, 3)))}
        at: dict[float, Callable[[], None]] = {}
        way = choose(("call",) * 9 + ("commit",) * 6 + ("clock",) * 3 + ("disk", "database", "nothing"))
        how = way
        if way == "commit":
            how = f"commit {choose(AROUND)}"
            environment[COMMIT] = f"{how.split()[1]}:{self.random.randint(1, self.commits)}"
        elif way == "disk":
            environment[DISK] = str(choose((8_000, 30_000, 120_000)))
        if environment[SKEW] != "0":
            self.result.faults["clock skewed"] += 1
        queued = self.random.random() < 0.3
        command = ("worker", "--until-idle") if queued else ("run",)
        life = self._begin(*command, queued=queued, **environment)
        if way == "call":
            point = choose(POINTS)
            how = f"call {point}"
            share = EARLY * self.random.random()
            self.platforms("arm", choose(sorted(PLATFORMS)), life.pid, point, share)
        elif way == "clock":
            at[self.random.uniform(0.05, 2.0)] = lambda: os.kill(life.pid, signal.SIGKILL)
        elif way == "database":
            at[self.random.uniform(0.1, 1.0)] = self._disturb_database
        beside = self._beside() if queued and self.result.database == "postgresql" else None
        code = self._end(life, at, f"{how}, {' '.join(command)}, {environment}")
        if beside is not None:
            other, listening = beside
            listening.join()
            self._ended(other, "beside the one before")
        if way == "disk":
            self.result.faults["disk full"] += 1
        if code == -signal.SIGKILL:
            self.result.kills[how] += 1
        self.platforms("disarm", code == 0)
        self.clock.advance(DAY_S if self.platforms("absurd") else 600.0)

    def _beside(self) -> tuple[Life, threading.Thread] | None:
        """Now and then a second worker shares the run, and goes on with it alone when the first one dies.

        A thread listens to it, or it would wait for a reader while the first one waits for it.
        """
        if not self.more or self.random.random() < 0.5:
            return None
        self.result.faults["a second worker beside the first"] += 1
        life = self._begin("worker", "--until-idle")
        listening = threading.Thread(target=life.wait)
        listening.start()
        return life, listening

    def _disturb_database(self) -> None:
        """Somebody locks the file for a while; the server loses its connections, or crashes and recovers."""
        if self.result.database == "sqlite":
            self.result.faults["database locked"] += 1
            with sqlite3.connect(self.folder / "segsync.db", timeout=30) as other:
                other.execute("BEGIN IMMEDIATE")
                time.sleep(0.2)
                other.rollback()
            other.close()
            return
        import psycopg

        crash = self.random.random() < 0.5
        self.result.faults["database crashed" if crash else "database connections lost"] += 1
        server = self.url.replace("postgresql+psycopg://", "postgresql://")
        name = server.partition("?")[0].rpartition("/")[2]
        try:
            administrator = psycopg.connect(server.replace(f"/{name}?", "/postgres?"), autocommit=True)
        except psycopg.OperationalError:
            return  # it still recovers from the crash before: disturbed enough
        with administrator as connection:
            query = "SELECT pid FROM pg_stat_activity WHERE datname = %s"
            pids = [pid for (pid,) in connection.execute(query, [name])]
            if crash and pids:
                with contextlib.suppress(ProcessLookupError):  # its life ended meanwhile, and so did it
                    os.kill(pids[0], signal.SIGKILL)  # the server then throws out everybody and recovers
                return
            for pid in pids:
                connection.execute("SELECT pg_terminate_backend(%s)", [pid])

    # ---- lives -----------------------------------------------------------------------------------

    def _begin(self, *arguments: str, queued: bool = False, **environment: str) -> Life:
        self.result.lives += 1
        return fork(lambda: segsync(self.config, self.clock, *arguments, queued=queued), environment)

    def _end(self, life: Life, at: dict[float, Callable[[], None]] | None = None, what: str = "calm") -> int:
        life.wait(at=at)
        return self._ended(life, what)

    def _ended(self, life: Life, what: str) -> int:
        code = life.code
        assert code is not None
        text = life.output.decode("utf-8", "replace")
        self.said.append(text)
        if self.log is not None:
            with self.log.open("a") as file:
                edits = self.platforms("edits")
                file.write(f"==== life {self.result.lives} ended with {code} ({what}) {edits}\n{text}\n")
        if code == -signal.SIGABRT:
            self.result.violations.append("I8 a life was stuck")
        if "Traceback (most recent call last)" in text and code != -signal.SIGKILL:
            tail = text[text.index("Traceback (most recent call last)") :].strip().splitlines()
            self.result.violations.append(f"a life ended with a traceback: {tail[-1][:200]}")
        self.result.exits[str(code)] += 1
        if COMMITS in text:
            self.commits = max(10, int(EARLY * int(text.rpartition(COMMITS)[2].split()[0])))
        return code

    def _calm_life(self, *arguments: str, queued: bool = False) -> str:
        self.platforms("calm")
        life = self._begin(*arguments, queued=queued)
        self.code = self._end(life)
        return life.output.decode("utf-8", "replace")

    # ---- what must hold --------------------------------------------------------------------------

    def _converge(self) -> None:
        """The faults stop: at most two more runs, then everything must hold and nothing be left to do."""
        self.platforms("calm")
        self.clock.advance(2 * DAY_S)
        self._calm_life("worker", "--until-idle", queued=True)
        said = self._calm_life("run")
        if self.code:
            tail = " / ".join(said.strip().splitlines()[-5:])
            self.result.violations.append(f"the second run after the faults ended with {self.code}: {tail}")
        self._check("two runs after the faults")

    def _check(self, when: str) -> None:
        self.result.checks += 1
        wrong: list[str] = list(self.platforms("violations"))
        wrong += self.platforms("differences", self._memberships())
        wrong += self._fresh_plan()
        wrong += self._store()
        wrong += self._leaks()
        self.platforms("settle")
        self.result.violations += [f"after {when}: {text}" for text in wrong]
        self.progress(
            f"seed {self.result.seed} on {self.result.database}: {self.result.kills.total()} of {self.wanted}"
            f" kills, {self.result.lives} lives, {len(self.result.violations)} violations"
        )

    def _memberships(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        path = self.folder / "memberships.csv"
        if path.exists():
            with path.open(newline="") as file:
                for row in csv.DictReader(file):
                    found.setdefault(row["segment"], []).append(row["external_id"])
        return found

    def _fresh_plan(self) -> list[str]:
        """A fresh plan has nothing to do: the poison people are in quarantine."""
        text = self._calm_life("plan", "--format", "json")
        try:
            plan = json.loads("{" + f"\n{text}".rpartition("\n{\n")[2].partition("\n}\n")[0] + "}")
        except ValueError:
            return [f"I1 the fresh plan says nothing: {text[-300:]}"]
        wrong = [f"I1 the fresh plan is held: {plan['brakes']}"] if plan["held"] else []
        return wrong + [
            f"I1 the fresh plan moves {one['enter']} in and {one['leave']} out of {one['segment']}"
            f" on {one['connection']}"
            for one in plan["audiences"]
            if one["leave"] or one["enter"]
        ]

    def _store(self) -> list[str]:
        life = fork(lambda: inspect(self.config, self.clock))
        life.wait()
        _, _, text = life.output.decode("utf-8", "replace").rpartition("\n@@")
        if life.code or not text:
            return [f"the store cannot be read: {life.output.decode('utf-8', 'replace')[-500:]}"]
        found: dict[str, Any] = json.loads(text)
        self.said.append(found["said"])
        keys = self.platforms("keys")
        refused: dict[str, set[int]] = {name: set() for name in CONNECTIONS}
        wrong = []
        for connection, contacts, code, reason, _ in found["refused"]:
            self.said.append(reason)
            refused[connection].update(keys[connection].get(key, -1) for key in contacts)
            if not code or not reason:
                wrong.append(f"I5 {connection}: somebody is refused without a reason")
        poison = self.platforms("poison")
        for connection in CONNECTIONS:
            if refused[connection] != set(poison.get(connection, ())):
                wrong.append(
                    f"I5 {connection}: refused are {sorted(refused[connection])}, poison is"
                    f" {poison.get(connection, [])}"
                )
        if found["doubled"]:
            wrong.append(f"{found['doubled']} orders are doubled")
        for where, count in self.platforms("orders").items():
            if found["orders"].get(where, 0) != count:
                wrong.append(f"{where}: {found['orders'].get(where, 0)} orders are known of {count}")
        wrong += [f"I8 run {run} is still {state}" for run, state in found["unfinished"]]
        return wrong

    def _leaks(self) -> list[str]:
        """The canaries: an address, a phone number or a secret in anything that was ever written out."""
        secrets = self.platforms("credentials")
        wrong = []
        for text in self.said:
            low = text.lower()
            at = low.find(f"@{DOMAIN}")
            if at >= 0:
                wrong.append(f"I11 an address leaked: …{text[max(0, at - 120) : at + 20]}…")
            if "+4930123" in text or "%2b4930123" in low:
                wrong.append("I11 a phone number leaked")
            wrong += ["I11 a secret leaked" for secret in secrets if secret in text]
        self.said.clear()
        return sorted(set(wrong))

    def _count(self) -> None:
        traffic = self.platforms("traffic")
        self.result.faults.update(self.platforms("faults"))
        self.result.reads = sum(one["reads"] for one in traffic.values())
        self.result.bounds = bounds(traffic, kills=self.result.kills.total())
        for one in self.result.bounds:
            if one.writes > one.most:
                self.result.violations.append(f"I6 {one.connection}: {one.document()}")


def say(text: str) -> None:
    """Progress, beside the answer."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
