"""Domains and mailboxes of e-mail addresses that mean something, and one that is nearly one of them.

Providers: the larger ones by country, as of 2026-11, from the providers' own pages. Throw-away domains come
from the package `disposable-email-domains`. Mailboxes of offices: RFC 2142, and what else is usual.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

PROVIDERS = (
    "gmail.com", "googlemail.com", "yahoo.com", "yahoo.co.uk", "yahoo.de", "yahoo.fr", "yahoo.es",
    "yahoo.it", "yahoo.co.jp", "yahoo.com.br", "ymail.com", "hotmail.com", "hotmail.co.uk",
    "hotmail.de", "hotmail.fr", "hotmail.es", "hotmail.it", "outlook.com", "outlook.de", "outlook.fr",
    "live.com", "live.de", "live.co.uk", "live.fr", "msn.com", "icloud.com", "me.com", "mac.com",
    "aol.com", "gmx.de", "gmx.net", "gmx.at", "gmx.ch", "gmx.com", "web.de", "t-online.de",
    "freenet.de", "posteo.de", "mailbox.org", "protonmail.com", "proton.me", "orange.fr", "wanadoo.fr",
    "laposte.net", "free.fr", "libero.it", "virgilio.it", "mail.ru", "yandex.ru", "qq.com", "163.com",
    "mail.com", "comcast.net", "verizon.net", "btinternet.com", "bluewin.ch",
)  # fmt: skip
NEIGHBOURS = ("email.com",)
"""Real ones that lie one letter from a provider."""
ROLES = (
    "abuse", "accounting", "accounts", "admin", "administrator", "billing", "bookings", "buchhaltung",
    "careers", "contact", "enquiries", "feedback", "ftp", "hello", "help", "helpdesk", "hostmaster",
    "hr", "info", "invoice", "invoices", "jobs", "kontakt", "mail", "mailer-daemon", "marketing",
    "news", "newsletter", "no-reply", "noc", "noreply", "office", "order", "orders", "postmaster",
    "presse", "press", "privacy", "reception", "root", "sales", "security", "service", "support",
    "team", "usenet", "uucp", "webmaster", "www",
)  # fmt: skip
_SHORT = 8
"""A provider's domain of fewer letters has honest neighbours: only two swapped letters count there."""
_SLIPS = ("cm", "co", "om")
"""Endings of two letters that are a slip for `com` more often than a country."""


def disposable_domains() -> frozenset[str]:
    """Throw-away domains, as the installed list has them."""
    from disposable_email_domains import blocklist

    return frozenset(blocklist)


def build_domains(database: duckdb.DuckDBPyConnection, domains: str) -> None:
    """Temp table quality_domains: domain, meant (the provider it nearly is, or NULL), disposable.

    `domains` is a relation with the distinct column `domain`, in small ASCII letters. Nearly is one letter
    more, less, other, or two swapped (optimal string alignment). A provider of another country is no slip.
    """
    database.register("quality_providers", _column("provider", PROVIDERS))
    database.register("quality_neighbours", _column("domain", NEIGHBOURS))
    database.register("quality_throw_away", _column("domain", sorted(disposable_domains())))
    slips = ", ".join(f"'{slip}'" for slip in _SLIPS)
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE quality_domains AS
        WITH asked AS (SELECT domain FROM {domains}),
        -- one letter more, less, other or swapped: then both are the same without one letter, or none
        provided AS (
            SELECT DISTINCT provider, left(provider, place) || substr(provider, place + 2) AS without
            FROM (SELECT provider, unnest(range(length(provider) + 1)) AS place FROM quality_providers)
        ),
        near AS (
            SELECT domain, min(provider) AS meant
            FROM (SELECT DISTINCT domain, provider FROM (
                    SELECT domain, left(domain, place) || substr(domain, place + 2) AS without
                    FROM (SELECT domain, unnest(range(length(domain) + 1)) AS place FROM asked
                        WHERE length(domain) <= {max(map(len, PROVIDERS)) + 1})
                ) JOIN provided USING (without))
            WHERE damerau_levenshtein(domain, provider) = 1
                AND (length(provider) >= {_SHORT}
                    OR (length(domain) = length(provider) AND levenshtein(domain, provider) = 2))
                AND NOT (split_part(domain, '.', 1) = split_part(provider, '.', 1)
                    AND regexp_matches(domain, '\\.[a-z]{{2}}$')
                    AND regexp_extract(domain, '[a-z]+$') NOT IN ({slips}))
                AND domain NOT IN (SELECT provider FROM quality_providers)
                AND domain NOT IN (SELECT domain FROM quality_neighbours)
            GROUP BY domain
        )
        SELECT domain, meant,
            domain IN (SELECT domain FROM quality_throw_away)
                OR regexp_replace(domain, '^[^.]*\\.', '') IN (SELECT domain FROM quality_throw_away)
                AS disposable
        FROM asked LEFT JOIN near USING (domain)"""
    )
    for name in ("providers", "neighbours", "throw_away"):
        database.unregister(f"quality_{name}")


def _column(name: str, values: object) -> pa.Table:
    return pa.table({name: pa.array(list(values), pa.string())})  # type: ignore[call-overload]
