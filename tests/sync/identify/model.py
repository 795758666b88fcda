"""Identification once more, slow and obvious: dicts and a union-find, always everything. The referee."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tests.sync.identify.lake import Contact


@dataclass
class Link:
    person: int
    keys: set[str]
    former: set[str]


def keys_of(contact: Contact) -> set[str]:
    keys = set()
    if contact.email is not None and "@" in contact.email:
        keys.add("email:" + contact.email.strip().lower())
    if contact.crm:  # 0 is a placeholder
        keys.add(f"crm id:{contact.crm}")
    return keys


def is_blocked(key: str) -> bool:
    return key.startswith("email:info@") or key.endswith("@blocked.example") or key == "email:ann@one.example"


def next_links(
    old: dict[int, Link], contacts: Iterable[Contact], limit: int, first: int
) -> tuple[dict[int, Link], int]:
    """The links after one step, and the next free person number."""
    alive = {contact.contact: contact for contact in contacts if not contact.deleted}
    new = {number: Link(0, keys_of(contact), set()) for number, contact in sorted(alive.items())}
    for number, link in new.items():
        before = old.get(number)
        if before is None:
            continue
        gone = {key for key in before.keys if key.startswith("email:")}
        for key in (gone | before.former) - link.keys:
            claimed = any(
                key in other.keys
                and other_number != number
                and alive[other_number].connection == alive[number].connection
                and not (other_number in old and key in old[other_number].keys | old[other_number].former)
                for other_number, other in new.items()
            )
            if not claimed:
                link.former.add(key)
    holders = defaultdict(set)
    for number, link in new.items():
        for key in link.keys | link.former:
            holders[key].add(number)
    parent = {number: number for number in new}

    def root(number: int) -> int:
        while parent[number] != number:
            number = parent[number]
        return number

    for key, numbers in holders.items():
        if len(numbers) <= limit and not is_blocked(key):
            for number in numbers:
                a, b = sorted((root(number), root(min(numbers))))
                parent[b] = a
    before_sizes = Counter(link.person for link in old.values())
    home: dict[int, int] = {}
    for number in sorted(new):
        if number in old:
            home.setdefault(old[number].person, root(number))
    for label in sorted({root(number) for number in new}):
        candidates = [person for person, where in home.items() if where == label]
        if candidates:
            chosen = min(candidates, key=lambda person: (-before_sizes[person], person))
        else:
            chosen, first = first, first + 1
        for number, link in new.items():
            if root(number) == label:
                link.person = chosen
    return new, first
