"""The order of segments that use each other, and the circles among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def in_order(uses: Mapping[str, Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Every id after those it uses, otherwise as given; and each circle found as `[a, b, a]`.

    Names that are not keys of `uses` are passed over.
    """
    order: list[str] = []
    circles: list[list[str]] = []
    done: set[str] = set()
    for start in uses:
        path: list[str] = []
        # An explicit stack: a chain of a thousand segments must not end in a RecursionError.
        stack: list[tuple[str, int]] = [(start, 0)]
        while stack:
            id_, position = stack.pop()
            if position == 0:
                if id_ in done:
                    continue
                if id_ in path:
                    circles.append([*path[path.index(id_) :], id_])
                    continue
                path.append(id_)
            following = uses[id_]
            if position < len(following):
                stack.append((id_, position + 1))
                if following[position] in uses:
                    stack.append((following[position], 0))
            else:
                path.pop()
                done.add(id_)
                order.append(id_)
    return order, circles
