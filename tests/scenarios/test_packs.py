"""Ready packs in an installation of its own: what stands for what they ask for."""

from __future__ import annotations

import datetime as dt

from tests.scenarios.company import NOW, SHOP, Company, people, segment


def test_a_pack_takes_won_deals_for_orders_and_finds_the_same_people(firm: Company) -> None:
    """Who sells by deals has no orders: everything the pack asks of them is asked of what is named."""
    firm.customers(people(range(1, 41)))
    days = [
        (f"o{n}-{k}", f"c{n}", (NOW - dt.timedelta(days=9 * n + k)).isoformat(), 10 * n)
        for n in range(1, 41)
        for k in range(n % 5)
    ]
    firm.orders(days)
    firm.rules(segment("known", "country is known", to="[]"))
    firm.addresses.clear()  # a newsletter would tell of orders, too
    found = {}
    for kind, options in (("deal_won", ("--with", "purchase=deal_won")), ("purchase", ())):
        firm.write_config(shop=SHOP.replace('kind = "purchase"', f'kind = "{kind}"'))
        (firm.folder / "rules" / "pack-rfm.toml").unlink(missing_ok=True)
        assert firm.segsync("pull").code in (0, 1)
        firm.run()
        if options:
            refused = firm.segsync("packs", "add", "rfm")
            assert refused.code == 1
            assert "add the pack with --with purchase=deal_won" in refused.said
            assert not (firm.folder / "rules" / "pack-rfm.toml").exists()
        added = firm.segsync("packs", "add", "rfm", *options)
        assert added.code == 0, added.said
        assert firm.segsync("test").code == 0
        told = firm.segsync("check", "--data", "--format", "json")
        found[kind] = {one["segment"]: one["people"] for one in told.document["sizes"]}
    assert found["deal_won"] == found["purchase"]
    assert found["purchase"]["rfm-group/prospects"] == sum(n % 5 == 0 for n in range(1, 41))
