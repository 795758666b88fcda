"""How long tests wait for another process or thread, or for an answer, before they give up."""

from __future__ import annotations

PATIENCE_S = 300
"""Far more than a loaded machine needs: it only bounds how long something that hangs can hold up the rest."""
