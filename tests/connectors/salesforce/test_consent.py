"""Consent is never written: no code path has the words for it, and no body that went out ever had."""

from __future__ import annotations

import ast
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import connectors.salesforce
from connectors.base import Action, Audience, AudienceKind, Batch, Change
from connectors.errors import ConnectorError
from connectors.simulation import Chance, Kind, When
from tests.connectors.rig import ensured
from tests.connectors.salesforce.rig import OWN_FIELD, salesforce_rig

FOLDER = Path(str(connectors.salesforce.__file__)).parent
WRITING = ("writing.py", "rows.py", "bulk.py", "field.py", "client.py")
"""All modules that build what is sent."""
WORDS = ("optedout", "individual", "consent", "donotcall", "shouldforget", "bounced", "optout", "optin")


def test_modules_that_write_have_no_word_for_consent() -> None:
    for name in WRITING:
        tree = ast.parse((FOLDER / name).read_text(encoding="utf-8"))
        documentation = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            text = ""
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in documentation
            ):
                text = node.value
            elif isinstance(node, ast.Name | ast.alias):
                text = node.id if isinstance(node, ast.Name) else node.name
            elif isinstance(node, ast.Attribute):
                text = node.attr
            folded = text.replace("_", "").lower()
            assert not any(word in folded for word in WORDS), f"{name}:{getattr(node, 'lineno', 0)} {text}"


def test_only_these_modules_send_anything() -> None:
    """`client.py` alone knows the SDK; who calls its writing methods is named above."""
    sends = ("write_rows", "delete_rows", "create_once", "delete_one", "open_job", "upload", "run_job")
    for path in FOLDER.glob("*.py"):
        if path.name in (*WRITING, "connector.py"):
            continue
        text = path.read_text(encoding="utf-8")
        assert not any(f".{name}(" in text or f" {name}(" in text for name in sends), path.name
    connector = (FOLDER / "connector.py").read_text(encoding="utf-8")
    assert {name for name in sends if f"{name}(" in connector} == {"create_once", "delete_one", "run_job"}


KINDS = (Kind.EMPTY_503, Kind.HTML_502, Kind.CUT, Kind.TRUNCATED_200, Kind.RATE_LIMITED)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nobodys_opt_out_changes_whatever_happens(data: st.DataObject) -> None:
    """Random writes with random faults, each sent twice. The rig compares all opt-outs and all bodies."""
    with salesforce_rig(contacts=12, leads=8) as rig:
        connector = rig.connect()
        campaign = ensured(connector)
        field = Audience(
            "*", "segments", AudienceKind.FIELD, connector.ensure(Audience("*", "s", AudienceKind.FIELD))
        )
        people = [*rig.org.tables["Contact"], *rig.org.tables["Lead"]]
        rig.simulation.faults.clear(seed=data.draw(st.integers(0, 1000)))
        when = st.sampled_from(list(When))
        rig.simulation.faults.add(*(Chance(kind, 0.05, when=data.draw(when)) for kind in KINDS))
        for _ in range(data.draw(st.integers(1, 5))):
            some = data.draw(st.lists(st.sampled_from(people), unique=True, max_size=20))
            is_field = data.draw(st.booleans())
            action = Action.SET if is_field else data.draw(st.sampled_from([Action.ADD, Action.REMOVE]))
            value = data.draw(st.sampled_from(["", "vip", "vip;new"])) if is_field else None
            changes = [Change(action, id, id, value) for id in some]
            for _ in range(2):
                try:
                    outcomes = connector.write(Batch(field if is_field else campaign, changes))
                except ConnectorError:
                    continue
                assert [o.change for o in outcomes] == changes
        assert OWN_FIELD in {name for r in rig.org.tables["Contact"].values() for name in r}
