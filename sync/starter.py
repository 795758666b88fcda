"""A first config and rules folder for somebody new, and more rules beside it. Never overwrites a file."""

from __future__ import annotations

from pathlib import Path

from sync.demo.company import EXAMPLES
from sync.errors import UserError

CONFIG = """\
# segsync's configuration. Every key is explained in config.example.toml of the distribution.
rules_dir = "rules"

[store]
database = "sqlite:///segsync.db"
lake = "lake"

[business]
zone = "Europe/Berlin"      # calendar words such as "this month" use it
currency = "EUR"

# Sources and destinations: one section each, as many as you have. Secrets are references, never values.
#
# [connections.newsletter]
# platform = "mailchimp"
# api_key = "env:MAILCHIMP_KEY"
#
# [connections.shop]
# platform = "tables"
# url = "file:."
# [connections.shop.contacts]
# from = "customers.csv"
# key = "customer_id"
# columns = { email = "email", country = "country" }
"""


MORE = EXAMPLES.parent / "more_examples"
"""Rules that need more than a shop's orders and a newsletter: not every check knows their names."""


def make_starter(folder: Path) -> list[Path]:
    """Write config.toml, rules/*.toml, the rules' JSON Schema and more-rules/*.toml, from which to take what
    fits, into `folder`; returns what was made."""
    from rules.language import json_schema

    config, rules, more = folder / "config.toml", folder / "rules", folder / "more-rules"
    for path in (config, rules, more):
        if path.exists():
            raise UserError(f"{path} is there already; nothing was changed")
    folder.mkdir(parents=True, exist_ok=True)
    made = [config]
    config.write_text(CONFIG, encoding="utf-8")
    for source, place in ((EXAMPLES, rules), (MORE, more)):
        place.mkdir()
        for example in sorted(source.glob("*.toml")):
            (place / example.name).write_bytes(example.read_bytes())
            made.append(place / example.name)
    schema = rules / "segsync.schema.json"
    schema.write_text(dumped_schema(json_schema()), encoding="utf-8")
    made.append(schema)
    return made


def dumped_schema(schema: object) -> str:
    """The JSON Schema as a file."""
    import json

    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
