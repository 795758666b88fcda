"""Serves a simulated platform over real HTTP on loopback, with faults on demand.

`with serve(simulation) as address:` in tests, `run_forever(...)` on the command line. The platform
itself (its data, rules and answers) is a `Simulation` in `connectors/PLATFORM/simulator.py`.
"""

from connectors.simulation.faults import Chance, Faults, FaultsFileError, Kind, Script, When
from connectors.simulation.kills import Kill, Kills, Point
from connectors.simulation.platform import Reply, Request, Simulation
from connectors.simulation.server import run_forever, serve
from connectors.simulation.traffic import Traffic

__all__ = [
    "Chance",
    "Faults",
    "FaultsFileError",
    "Kill",
    "Kills",
    "Kind",
    "Point",
    "Reply",
    "Request",
    "Script",
    "Simulation",
    "Traffic",
    "When",
    "run_forever",
    "serve",
]
