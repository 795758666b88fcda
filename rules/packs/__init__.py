"""Ready rule packs: rules for a kind of segmentation, with cases, a page, and what they need of the data.

A pack is a folder here: `pack.toml` (what it is, what it needs), `rules.toml`, `README.md` (its page). To add
one, add a folder; the tests run over all of them.
"""

from rules.packs.catalogue import Need, NeedKind, Pack, names, pack
from rules.packs.wording import fitting, ids_of, prefixed, with_activity

__all__ = ["Need", "NeedKind", "Pack", "fitting", "ids_of", "names", "pack", "prefixed", "with_activity"]
