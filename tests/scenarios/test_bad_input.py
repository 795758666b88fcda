"""Every mistake of the user and every outage has its exit code and a message that says what to do.

Nothing is lost by any of them: after the mend, the next run ends where a run without the mistake would.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from connectors.simulation import Chance, Kind, Script
from sync.run.pipeline import begin
from tests.scenarios.company import Answer, Company, command, email, emails, join, part, people, segment

GERMANS = segment("germans", 'country = "DE"')
THERE = range(1, 21)


def seeded(firm: Company) -> None:
    """20 German customers, all on the newsletter."""
    firm.customers(people(THERE))
    firm.orders([])
    firm.rules(GERMANS)
    join(firm.newsletter, THERE)


def told(answer: Answer, code: int, *words: str) -> None:
    """The command ended with `code`, said all `words`, and showed no traceback and no address."""
    assert answer.code == code, answer.said
    for word in words:
        assert word in answer.said
    assert "Traceback" not in answer.said
    assert "@example.com" not in answer.said


def nothing_written(firm: Company) -> None:
    assert firm.newsletter.traffic.writes == 0
    assert firm.newsletter.audience.segments == {}


def mended(firm: Company) -> None:
    """A run now ends as if nothing had been wrong."""
    report = firm.run()
    assert (report["people"], report["held"]) == (20, 0)
    assert firm.tagged("germans") == emails(THERE)


# ── config ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('lake = "lake"', "lake = lake", ("config.toml:4:8: not valid TOML",)),
        ('lake = "lake"', 'lak = "lake"', ("config.toml:4: store.lak", 'did you mean "lake"?')),
        (
            "[store]",
            '[trust]\norder = ["shopp"]\n[store]',
            ("config.toml:3: trust.order[0]", 'there is no connection "shopp"; did you mean "shop"?'),
        ),
        (
            "[store]",
            '[fields.points]\ntype = "number"\nfrom = ["shop.points", "crm.points"]\n[store]',
            ("config.toml:4: fields.points.from[1]", 'there is no connection "crm"'),
        ),
        (
            "[store]",
            '[fields.points]\nfrom = ["shop.pionts"]\n[store]',
            ("config.toml:3: fields.points.from[0]", '"shop" has no column "pionts"'),
        ),
        ('"env:SCENARIO_KEY"', '"env:NO_SUCH_KEY"', ("NO_SUCH_KEY",)),
        ('"mailchimp"', '"mailchip"', ("connections.newsletter.platform", 'did you mean "mailchimp"?')),
    ],
    ids=["broken", "unknown-key", "trust", "fields-connection", "fields-column", "secret", "platform"],
)
def test_a_mistake_in_the_config(firm: Company, before: str, after: str, words: tuple[str, ...]) -> None:
    seeded(firm)
    right = firm.config.read_text(encoding="utf-8")
    assert before in right
    firm.config.write_text(right.replace(before, after, 1), encoding="utf-8")
    told(firm.segsync("run"), 1, *words)
    nothing_written(firm)
    firm.config.write_text(right, encoding="utf-8")
    mended(firm)


def test_a_config_that_is_not_there(firm: Company) -> None:
    told(command("run", config=firm.folder / "none.toml"), 1, "none.toml", "segsync init")


def test_usage_is_exit_code_2(firm: Company) -> None:
    told(firm.segsync("run", "--fromat", "json"), 2, "--format")
    told(firm.segsync("approve", "abc"), 2, "valid integer")
    told(firm.segsync("rum"), 2, "rum")


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (
            segment("germans", 'contry = "DE"'),
            ('segments.toml:4:9: unknown fact "contry"; did you mean "country"?',),
        ),
        (
            segment("germans", "country >= 3"),
            ('segments.toml:4:17: ">=" does not fit country, which is text; use =',),
        ),
        (segment("germans", 'country = "DE'), ("segments.toml:4:",)),
        ("[[segment]\n", ("segments.toml:1:",)),
        (
            segment("a", 'in segment "b"') + segment("b", 'in segment "a"'),
            ("segments.toml:", "a → b → a"),
        ),
        (
            segment("germans", 'country = "DE"', to='["newsleter"]'),
            ("segments.toml:5:", "newsleter", 'did you mean "newsletter"?'),
        ),
        (segment("germans", 'country = "DE"', to='["shop"]'), ("segments.toml:", "shop")),
    ],
    ids=["unknown-fact", "type", "syntax", "toml", "cycle", "connection", "no-destination"],
)
def test_a_mistake_in_the_rules(firm: Company, rules: str, words: tuple[str, ...]) -> None:
    seeded(firm)
    firm.rules(rules)
    told(firm.segsync("check"), 1, *words)
    told(firm.segsync("run"), 1, *words)
    nothing_written(firm)
    firm.rules(GERMANS)
    mended(firm)


# ── exports ──────────────────────────────────────────────────────────────────────────────────────────


def export(firm: Company, text: str | bytes) -> None:
    """Replace customers.csv."""
    content = text.encode() if isinstance(text, str) else text
    (firm.folder / "exports" / "customers.csv").write_bytes(content)


HEADER = "customer_id,email,country\n"
GOOD = "".join(f"c{n},{email(n)},DE\n" for n in THERE)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("c99,odd@example.com,DE,extra\n", "4 fields"),
        ("c99\n", "1 field"),
        ("c99,not-an-address,FR\n", "no e-mail address"),
        ("c1,other@example.com,FR\n", "has the same key as line 2, which was kept"),
        (",nobody@example.com,FR\n", 'the key column "customer_id" is empty'),
    ],
    ids=["too-long", "too-short", "no-email", "duplicate", "no-key"],
)
def test_a_row_that_cannot_be_read_is_told_with_its_line(firm: Company, row: str, reason: str) -> None:
    """The others are read: one bad row never stops a run, and never disappears either."""
    seeded(firm)
    export(firm, HEADER + GOOD + row)
    first = firm.run()
    assert first["rejected"] == 1
    assert firm.tagged("germans") == emails(THERE)
    status = firm.segsync("status", "--format", "json")
    (rejected,) = status.document["rejected"]
    assert rejected["where"] == "customers.csv line 22"
    assert reason in rejected["reason"]
    told(firm.segsync("status"), 0, "customers.csv line 22")
    export(firm, HEADER + GOOD)
    mended(firm)


def test_who_is_missing_from_an_export_with_a_bad_row_is_not_gone(firm: Company) -> None:
    """The row that cannot be read may be the very one."""
    seeded(firm)
    firm.run()
    fewer = GOOD.replace(f"c1,{email(1)},DE\n", "")
    export(firm, HEADER + fewer + "c99,odd@example.com,DE,extra\n")
    assert part(firm.run())["removes"] == 0
    assert firm.tagged("germans") == emails(THERE)
    export(firm, HEADER + fewer)
    assert part(firm.run())["removes"] == 1
    assert firm.tagged("germans") == emails(range(2, 21))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            (HEADER + GOOD).encode() + "c99,a@example.org,Österreich\n".encode("latin-1"),
            ("customers.csv line 22", "0xd6", 'encoding = "latin-1"'),
        ),
        (
            (HEADER + GOOD).replace("country", "Land", 1).encode(),
            ("customers.csv", 'no column "country"'),
        ),
        (b"", ("customers.csv", "empty")),
        (None, ("there is no file customers.csv",)),
    ],
    ids=["encoding", "column", "empty", "missing"],
)
def test_an_export_that_cannot_be_used_keeps_what_was_known(
    firm: Company, content: bytes | None, words: tuple[str, ...]
) -> None:
    seeded(firm)
    firm.run()
    file = firm.folder / "exports" / "customers.csv"
    file.unlink()
    if content is not None:
        export(firm, content)
    told(firm.segsync("run"), 1, *words)
    told(firm.segsync("connections", "check"), 4, *words)
    assert firm.tagged("germans") == emails(THERE)  # nobody was taken out for a broken file
    export(firm, HEADER + GOOD)
    mended(firm)


# ── platforms ────────────────────────────────────────────────────────────────────────────────────────


def test_a_wrong_key_from_the_start(firm: Company) -> None:
    seeded(firm)
    right, firm.newsletter.key = firm.newsletter.key, "f" * 32 + "-us1"
    told(firm.segsync("connections", "check"), 4, "newsletter", "API key")
    told(firm.segsync("run"), 4, "newsletter", "API key")
    firm.newsletter.key = right
    assert firm.segsync("connections", "check").code == 0
    mended(firm)


def test_a_platform_that_is_down(firm: Company) -> None:
    seeded(firm)
    firm.run()
    firm.newsletter.faults.add(Chance(Kind.CUT, 1.0))
    firm.customers(people(range(1, 20)))
    down = firm.segsync("run", "--format", "json")
    assert down.code == 4
    assert part(down.document)["stopped"]
    assert part(down.document, "shop")["read"] == 19  # the other source went on
    assert down.document["segments"] == {"germans": 19}
    assert firm.tagged("germans") == emails(THERE)

    assert firm.segsync("check").code == 0  # rules can be worked on meanwhile
    told(firm.segsync("connections", "check"), 4, "Mailchimp did not answer")

    firm.newsletter.faults.clear()
    after = firm.run()
    assert part(after)["removes"] == 1
    assert firm.tagged("germans") == emails(range(1, 20))


def test_a_platform_that_fails_during_the_push_is_finished_by_the_next_run(firm: Company) -> None:
    seeded(firm)
    firm.newsletter.faults.add(Script(Kind.EMPTY_503, "POST /lists/{id}/segments/{id}", times=99))
    failed = firm.run(code=4)
    assert "503" in part(failed)["stopped"] or "Mailchimp" in part(failed)["stopped"]
    firm.newsletter.faults.clear()
    mended(firm)


def test_a_tag_deleted_by_hand_is_made_and_filled_again(firm: Company) -> None:
    seeded(firm)
    firm.rules(GERMANS + segment("known", "country is known"))
    firm.run()
    home = firm.newsletter.audience
    deleted = home.segment_named("segsync: germans")
    assert deleted is not None
    home.drop_segment(deleted)
    report = firm.run()
    assert (part(report)["created"], part(report)["adds"], part(report)["removes"]) == (1, 20, 0)
    assert firm.tagged("germans") == firm.tagged("known") == emails(THERE)
    assert part(firm.run())["calls"] == 0


def test_a_tag_deleted_between_plan_and_apply_is_made_by_the_next_run(firm: Company) -> None:
    seeded(firm)
    firm.run()
    join(firm.newsletter, [21])
    firm.later(minutes=10)
    firm.customers(people(range(1, 22)))
    assert firm.segsync("pull").code == 0
    assert firm.segsync("plan", "--exit-code").code == 5
    home = firm.newsletter.audience
    deleted = home.segment_named("segsync: germans")
    assert deleted is not None
    home.drop_segment(deleted)
    told(firm.segsync("apply"), 1, "stale", "segsync plan")
    assert firm.segsync("run").code == 0
    assert firm.tagged("germans") == emails(range(1, 22))


# ── disk ─────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def no_file_larger_than(octets: int) -> Iterator[None]:
    """What a full disk or a quota does: writes beyond the limit fail, for this process, for a while."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def crowd(firm: Company) -> None:
    """30,000 more customers, so that files of some size have to be written."""
    more = ((f"x{n}", f"x{n}-{n * 7919 % 10007}@example.org", "FR") for n in range(30_000))
    firm.customers([*people(THERE), *more])


def all_is_there(firm: Company) -> None:
    nothing_written(firm)
    assert firm.segsync("status").code == 0
    report = firm.run()
    assert (report["people"], report["segments"], part(report)["calls"]) == (30_020, {"germans": 20}, 1)
    assert firm.tagged("germans") == emails(THERE)
    again = firm.run()
    assert (part(again)["calls"], again["lake_rows_changed"], part(again, "shop")["read"]) == (0, 0, 0)


def test_a_disk_that_is_full_while_pulling(firm: Company) -> None:
    seeded(firm)
    crowd(firm)
    firm.open().close()  # the tables are there
    with no_file_larger_than(400 * 1024):
        told(firm.segsync("run"), 1, "no space left in", "inbox", "free space and run again")
    all_is_there(firm)


@pytest.mark.parametrize("kilobytes", [320, 480])
def test_a_disk_that_is_full_while_the_lake_is_written(firm: Company, kilobytes: int) -> None:
    """The smaller limit ends before contacts are there, the larger one between them and the people."""
    seeded(firm)
    crowd(firm)
    with firm.open() as workspace, begin(workspace, "pull") as pipeline:
        pipeline.pull()
    with no_file_larger_than(kilobytes * 1024):
        told(firm.segsync("plan"), 1, "no space left in the lake", "free space and run again")
    all_is_there(firm)


def work_on_a_full_disk(firm: Company, *, kilobytes: int) -> None:
    seeded(firm)
    crowd(firm)
    with firm.open() as workspace:
        workspace.store.runs.enqueue("test", now=firm.clock.utc_now())
    with no_file_larger_than(kilobytes * 1024):
        told(firm.segsync("worker", "--until-idle"), 1, "no space left", "free space and run again")


def test_a_worker_on_a_full_disk_says_so_and_ends(firm: Company) -> None:
    work_on_a_full_disk(firm, kilobytes=480)
    all_is_there(firm)


def test_a_worker_that_cannot_even_record_a_failure_does_not_try_for_ever(firm: Company) -> None:
    work_on_a_full_disk(firm, kilobytes=64)
    nothing_written(firm)
