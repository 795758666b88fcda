"""Finds the records of a delimited text by arithmetic on whole blocks: where each begins, on which line.

A block whose quotes all stand where RFC 4180 lets them stand has exactly one reading, found with numpy.
From the first quote that stands elsewhere to the block's end, records are scanned one by one. Splitting
into fields is left to Arrow: only records with the right number of fields get that far.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]

LONGEST_RECORD = 4 * 1024 * 1024
"""Bytes. A quote still open after this many is taken for a stray one: its line is rejected alone."""

NEWLINE, RETURN, QUOTE = 10, 13, 34


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that is no row: the line it begins on, why, and its bytes."""

    line: int
    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """The complete records at the front of a block. `data` holds the good ones only, in order."""

    data: bytes
    starts: Positions  # of each good record in `data`
    lines: Positions  # physical line each good record begins on, counted from 1
    bad: tuple[BadRecord, ...]
    consumed: int  # bytes of the block that are dealt with; the rest waits for more
    newlines: int  # physical lines in them
    multiline: bool  # whether a quoted field may hold a line break

    def raw(self, row: int) -> str:
        """The text of one good record."""
        end = self.starts[row + 1] if row + 1 < len(self.starts) else len(self.data)
        return self.data[self.starts[row] : end].decode("utf-8", "replace").rstrip("\r\n")


def frame(block: bytes, *, delimiter: str, columns: int, line: int, final: bool) -> Frame:
    """Frame `block`, which begins with a record on physical line `line`; `final`: nothing follows it."""
    if final and block and not block.endswith(b"\n"):
        block += b"\n"
    separator = ord(delimiter)
    octets = np.frombuffer(block, dtype=np.uint8)
    newlines = np.flatnonzero(octets == NEWLINE)
    quotes = np.flatnonzero(octets == QUOTE) if QUOTE in block else np.empty(0, np.int64)
    ends = newlines[_outside(newlines, quotes)] if len(quotes) else newlines
    trouble = _first_stray_quote(octets, quotes, separator, final=final)
    if trouble is not None:
        ends = ends[: np.searchsorted(ends, trouble)]
    reach = int(ends[-1]) + 1 if len(ends) else 0
    starts = np.concatenate([np.zeros(min(len(ends), 1), np.int64), ends[:-1] + 1])
    reasons = _bad_rows(block, octets, ends, quotes, separator, columns)
    blank = (starts == ends) | ((ends - starts == 1) & (octets[starts] == RETURN)) if len(ends) else None
    waiting = len(block) - reach
    if trouble is not None or (waiting and (final or waiting > LONGEST_RECORD)):
        scan = _Scan(block, delimiter=separator, columns=columns, final=final)
        scan.run(reach)
        starts = np.concatenate([starts, np.array(scan.starts, np.int64)])
        ends = np.concatenate([ends, np.array(scan.ends, np.int64)])
        if blank is None:
            blank = np.array(scan.blank, bool)
        else:
            blank = np.concatenate([blank, np.array(scan.blank, bool)])
        reasons.update(scan.reasons)
        reach = scan.position
    lines = np.searchsorted(newlines, starts).astype(np.int64) + line
    good = np.ones(len(starts), bool)
    if blank is not None and blank.any():
        good[blank] = False
    bad: list[BadRecord] = []
    for start, reason in sorted(reasons.items()):
        row = int(np.searchsorted(starts, start))
        if not good[row]:
            continue
        good[row] = False
        bad.append(BadRecord(int(lines[row]), reason, block[start : int(ends[row])].rstrip(b"\r\n")))
    data, kept_starts = _keep(block, starts, ends, good, reach)
    return Frame(
        data=data,
        starts=kept_starts,
        lines=lines[good],
        bad=tuple(bad),
        consumed=reach,
        newlines=int(np.searchsorted(newlines, reach)),
        multiline=len(quotes) > 0,
    )


def _outside(positions: Positions, quotes: Positions) -> npt.NDArray[np.bool_]:
    """Which positions have an even number of quotes before them, so stand outside a quoted field."""
    return np.asarray(np.searchsorted(quotes, positions) % 2 == 0)


def _first_stray_quote(
    octets: npt.NDArray[np.uint8], quotes: Positions, separator: int, *, final: bool
) -> int | None:
    """Position of the first quote that neither opens nor closes a field nor doubles another one."""
    if not len(quotes):
        return None
    opening, closing = quotes[0::2], quotes[1::2]
    before = octets[np.maximum(opening - 1, 0)]
    well = (opening == 0) | (before == separator) | (before == NEWLINE)
    well[1:] |= opening[1:] == closing[: len(opening) - 1] + 1
    found = [opening[~well][:1]]
    last = len(octets) - 1
    after = octets[np.minimum(closing + 1, last)]
    later = octets[np.minimum(closing + 2, last)]
    ended = (after == RETURN) & ((later == NEWLINE) | ((closing + 1 >= last) & (not final)))
    well = (after == separator) | (after == NEWLINE) | (after == QUOTE) | ended | (closing == last)
    found.append(closing[~well][:1])
    strays = np.concatenate(found)
    return int(strays.min()) if len(strays) else None


def _bad_rows(
    block: bytes,
    octets: npt.NDArray[np.uint8],
    ends: Positions,
    quotes: Positions,
    separator: int,
    columns: int,
) -> dict[int, str]:
    """Start of each record that cannot be a row → why. Blank lines are judged by the caller."""
    if not len(ends):
        return {}
    delimiters = np.flatnonzero(octets == separator)
    if len(quotes):
        delimiters = delimiters[_outside(delimiters, quotes)]
    fields = np.diff(np.searchsorted(delimiters, ends), prepend=0) + 1
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
    reasons: dict[int, str] = {}
    for row in np.flatnonzero(fields != columns):
        reasons[int(starts[row])] = ragged(int(fields[row]), columns)
    limit = int(ends[-1])
    if RETURN in block:
        returns = np.flatnonzero(octets == RETURN)
        bare = returns[(octets[np.minimum(returns + 1, len(octets) - 1)] != NEWLINE) & (returns < limit)]
        bare = bare[_outside(bare, quotes)] if len(quotes) else bare
        for row in np.searchsorted(ends, bare):
            reasons[int(starts[row])] = BARE_RETURN
    if 0 in block:
        zeros = np.flatnonzero(octets == 0)
        for row in np.searchsorted(ends, zeros[zeros < limit]):
            reasons[int(starts[row])] = ZERO_BYTE
    return reasons


BARE_RETURN = "holds a carriage return that ends no line; quote the field or remove it"
ZERO_BYTE = "holds a zero byte; is the file UTF-16 or damaged?"
NOT_CLOSED = "a quoted field begins here and is never closed; double the quotes inside a quoted field"
AFTER_QUOTE = "text follows a closing quote; double the quotes inside a quoted field"


def ragged(fields: int, columns: int) -> str:
    """The reason of a row that is too short or too long."""
    return f"has {fields} field{'s' * (fields != 1)} where the header has {columns}"


def _keep(
    block: bytes, starts: Positions, ends: Positions, good: npt.NDArray[np.bool_], reach: int
) -> tuple[bytes, Positions]:
    """The good records' bytes joined, and where each begins there."""
    if good.all() and len(starts):
        return (block if reach == len(block) else block[:reach]), starts
    lengths = (ends - starts + 1)[good]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    runs = [block[starts[first] : ends[last - 1] + 1] for first, last in edges.reshape(-1, 2)]
    return b"".join(runs), np.cumsum(lengths) - lengths


class _Scan:
    """Record by record, as Python's csv module reads in strict mode; for blocks with stray quotes only."""

    def __init__(self, block: bytes, *, delimiter: int, columns: int, final: bool) -> None:
        self._block, self._columns, self._final = block, columns, final
        self._delimiter = bytes([delimiter])
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.blank: list[bool] = []
        self.reasons: list[tuple[int, str]] = []
        self.position = 0

    def run(self, start: int) -> None:
        """Scan from `start` on; a record that is not complete yet is left for later."""
        self.position = start
        while self.position < len(self._block):
            start = self.position
            end, fields, reason = self._record(start)
            if end is None and not self._final and len(self._block) - start <= LONGEST_RECORD:
                return
            if end is None or reason == AFTER_QUOTE:
                # The quote may be a stray one, so only its own line is given up, not what follows.
                end, reason = self._block.find(b"\n", start), reason or NOT_CLOSED
                if end < 0:
                    return
            self.position = end + 1
            content = self._block[start:end].removesuffix(b"\r")
            self.blank.append(not content)
            if content and reason is None and fields != self._columns:
                reason = ragged(fields, self._columns)
            if reason is None and b"\0" in content:
                reason = ZERO_BYTE
            self.starts.append(start)
            self.ends.append(end)
            if reason is not None:
                self.reasons.append((start, reason))

    def _record(self, position: int) -> tuple[int | None, int, str | None]:
        """Position of the newline that ends the record (None: not in the block), its fields, a problem."""
        block, fields = self._block, 0
        while True:
            fields += 1
            if block[position : position + 1] == b'"':
                close = self._closing(position + 1)
                if close is None:
                    return None, fields, None
                rest = block[close + 1 : close + 3]
                if rest[:1] == self._delimiter:
                    position = close + 2
                    continue
                if rest[:1] == b"\n":
                    return close + 1, fields, None
                if rest == b"\r\n":
                    return close + 2, fields, None
                return (None, fields, None) if len(rest) < 2 else (close, fields, AFTER_QUOTE)
            end = block.find(b"\n", position)
            if end < 0:
                return None, fields, None
            stop = block.find(self._delimiter, position, end)
            field = block[position : end if stop < 0 else stop]
            if b"\r" in (field.removesuffix(b"\r") if stop < 0 else field):
                return end, fields, BARE_RETURN
            if stop < 0:
                return end, fields, None
            position = stop + 1

    def _closing(self, position: int) -> int | None:
        while True:
            found = self._block.find(b'"', position)
            if found < 0:
                return None
            if self._block[found + 1 : found + 2] != b'"':
                return found
            position = found + 2
