"""The catalog of mutants does not rot: `make test-mutants` runs them, this only looks at them."""

from __future__ import annotations

import pytest

from tests.connectors.contract import ConnectorContract
from tests.connectors.mutants.catalog import PLATFORMS, ROOT, mutants
from tests.connectors.tables.rig import NOWHERE

CONTRACT = {name for name in dir(ConnectorContract) if name.startswith("test_")}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_contract_test_has_a_mutant_on_every_platform(platform: str) -> None:
    shown = {test for mutant in mutants(platform) for test in mutant.tests}
    assert shown <= CONTRACT
    assert CONTRACT - shown == (set(NOWHERE) if platform == "tables" else set())


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_mutant_still_fits_exactly_one_place_of_the_code(platform: str) -> None:
    found = list(mutants(platform))
    assert len({mutant.name for mutant in found}) == len(found)
    for mutant in found:
        assert mutant.file.startswith("connectors/"), mutant.name
        assert mutant.old != mutant.new, mutant.name
        faulty = mutant.applied((ROOT / mutant.file).read_text(encoding="utf-8"))
        assert faulty is not None, f"{platform}: {mutant.name}: does not fit {mutant.file} any more"
        compile(faulty, mutant.file, "exec")
