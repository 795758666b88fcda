"""The workspace's connections by name, opened when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from connectors.base import Connector
from sync.run.workspace import Workspace


class Opened(Mapping[str, Connector]):
    """A mapping that opens a connection when it is first looked up."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def __getitem__(self, name: str) -> Connector:
        return self._workspace.connector(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._workspace.settings.connections)

    def __len__(self) -> int:
        return len(self._workspace.settings.connections)
