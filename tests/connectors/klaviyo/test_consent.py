"""Nothing we do can make anybody's marketing consent more permissive."""

from __future__ import annotations

import ast
import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import connectors.klaviyo
from connectors.base import Action, Audience, AudienceKind, Batch, Change, Connector
from connectors.errors import ConnectorError
from connectors.klaviyo.operations import OPERATIONS
from connectors.klaviyo.simulator import KlaviyoSimulator
from connectors.pacing import ManualClock
from connectors.simulation import Chance, Kind, When
from tests.connectors.klaviyo.rig import klaviyo_rig

FOLDER = Path(connectors.klaviyo.__file__).parent
OURS = sorted(path for path in FOLDER.glob("*.py") if path.name != "simulator.py")
MAY_WRITE = {
    "create_list",
    "add_profiles_to_list",
    "remove_profiles_from_list",
    "bulk_import_profiles",
    "request_profile_deletion",
    "update_list",  # its name
    "delete_list",  # never a person
    "bulk_unsubscribe_profiles",  # one direction only, and only if it was turned on
}
NEVER_NAMED = (
    "bulk_create",
    "bulk-create",
    "bulk_delete",
    "suppression-bulk",
    "bulk_subscribe",
    "bulk_unsuppress",
    "bulk_suppress",
    "client/subscriptions",
    'profile-import"',
    "historical_import",
    "consented_at",
    "create_or_update_profile",
    "opt_in_process",
)
VALUES = {"set": "vip;repeat", "clear": "", "narrow": "vip"}
STEPS = ["add", "remove", *VALUES, "out"]


def test_the_calls_that_could_subscribe_do_not_exist() -> None:
    assert {name for name, operation in OPERATIONS.items() if operation.write} == MAY_WRITE
    for path in OURS:
        code = ast.unparse(ast.parse(path.read_text(encoding="utf-8")))
        for word in NEVER_NAMED:
            assert word not in code.replace("'", '"'), (path.name, word)


def test_the_one_call_that_changes_consent_is_made_in_one_place_and_says_one_thing() -> None:
    callers, words = set(), set()
    for path in OURS:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if node.value in ("bulk_unsubscribe_profiles", "profile-subscription-bulk-delete-job"):
                    callers.add(path.name)
                if node.value in ("SUBSCRIBED", "UNSUBSCRIBED", "subscriptions", "consent"):
                    words.add((path.name, node.value))
    assert callers == {"operations.py", "optouts.py"}
    sending = {word for name, word in words if name == "optouts.py"}
    assert sending == {"UNSUBSCRIBED", "subscriptions", "consent"}
    # Elsewhere these words are only read.
    assert {name for name, word in words if word == "SUBSCRIBED"} == {"mapping.py"}
    assert "relationships" not in ast.unparse(ast.parse((FOLDER / "optouts.py").read_text()))


def test_only_one_place_sends_and_it_sends_only_what_is_in_the_table() -> None:
    senders = []
    for path in OURS:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("call_api", "param_serialize", "request"):
                senders.append((path.name, node.attr))
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
                sdk = any(
                    n.split(".")[0] in ("klaviyo_api", "openapi_client", "requests", "urllib3") for n in names
                )
                assert not sdk or path.name == "client.py", path.name
    assert sorted(senders) == [("client.py", "call_api"), ("client.py", "param_serialize")]
    source = (FOLDER / "client.py").read_text(encoding="utf-8")
    assert source.count("self._exchange(") == 1
    assert "path = operation.path" in source


def ranks(simulator: KlaviyoSimulator) -> dict[str, tuple[bool, bool]]:
    return {id_: profile.consent.rank() for id_, profile in simulator.account.profiles.items()}


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), steps=st.lists(st.sampled_from(STEPS), min_size=3, max_size=12))
def test_nobodys_consent_ever_changes_by_our_doing(seed: int, steps: list[str]) -> None:
    """Random histories with faults and repeats: after each step only what others did is different."""
    choice = random.Random(seed)
    clock = ManualClock()
    simulator = KlaviyoSimulator(people=25, seed=seed, now=clock.utc_now)
    with klaviyo_rig(simulator) as rig:
        rig.clock = clock
        connector = rig.connect(connections=1)
        home = Audience("vip", "segsync: VIP", AudienceKind.LIST)
        home = Audience("vip", home.name, home.kind, connector.ensure(home))
        field = Audience("*", "segments", AudienceKind.FIELD, "segsync_segments")
        expected = ranks(simulator)
        for kind in (Kind.EMPTY_503, Kind.CUT, Kind.RATE_LIMITED):
            for when in When:
                simulator.faults.add(Chance(kind, 0.05, when=when, retry_after_s=1))
        for step in steps:
            some = choice.sample(sorted(simulator.account.profiles), 6)
            if step == "out":  # by themselves
                with simulator.lock:
                    simulator.account.unsubscribe(simulator.account.profiles[some[0]])
                expected[some[0]] = simulator.account.profiles[some[0]].consent.rank()
            else:
                write_twice(connector, step, some, home=home, field=field)
            clock.advance(5)
            assert ranks(simulator) == expected


def write_twice(connector: Connector, step: str, some: list[str], *, home: Audience, field: Audience) -> None:
    """As after a crash; faults that outlast our patience are part of the game."""
    if step in VALUES:
        batch = Batch(field, [Change(Action.SET, id_, "", VALUES[step]) for id_ in some])
    else:
        action = Action.ADD if step == "add" else Action.REMOVE
        batch = Batch(home, [Change(action, id_, "") for id_ in some])
    for _ in range(2):
        try:
            connector.write(batch)
        except ConnectorError:
            continue
