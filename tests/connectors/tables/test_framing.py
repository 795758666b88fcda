"""CSV is never mis-split: rows, lines and rejects are held against Python's csv module."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import RejectedRow
from connectors.errors import BadSource
from connectors.tables.delimited import DelimitedFile
from connectors.tables.framing import LONGEST_RECORD, frame
from connectors.tables.settings import Origin

TORTURE = (
    b"\xef\xbb\xbfid,name,note\r\n"
    b'1,plain,"two\nlines"\r\n'  # lines 2-3
    b'2,"comma, quoted","say ""hi"""\n'  # 4
    b"3,too,few,fields,many\n"  # 5 ragged
    b"4,short\n"  # 6 ragged
    b"\n"  # 7 blank
    b'5,5" screen,literal quote\n'  # 8
    b'6,"a"b,text after quote\n'  # 9 bad
    b'7,"never closed,x\n'  # 10 bad
    b"8,fine,again\r\n"  # 11
    b'9,"",""\n'  # 12
    b"10,bare\rreturn,x\n"  # 13 bad
    b"11,zero\0byte,x\n"  # 14 bad
    + '12,Zoë,"naïve\r\n\r\n☃"\n'.encode()  # 15-17
    + b"13,last,no newline"  # 18
)


def origin(**settings: object) -> Origin:
    values = {"path": "contacts", "table": "x.csv", "query": None, "encoding": "utf-8", "delimiter": None}
    return Origin(**{**values, **settings})  # type: ignore[arg-type]


def read(
    content: bytes, columns: list[str], *, block: int = 1 << 20, **settings: object
) -> tuple[list[tuple[int, list[str]]], list[RejectedRow]]:
    """(line, values) of every row, and every rejected one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        path.write_bytes(content)
        rows, rejected = [], []
        for chunk in DelimitedFile(path, origin=origin(**settings), block=block).chunks(columns):
            values = zip(*(chunk.table.column(name).to_pylist() for name in columns), strict=True)
            rows += [(int(line), list(row)) for line, row in zip(chunk.places, values, strict=True)]
            rejected += chunk.rejected
        return rows, rejected


def line_of(row: RejectedRow) -> int:
    return int(row.where.rsplit(" ", 1)[1])


def by_csv(text: str, delimiter: str) -> tuple[list[str], list[tuple[int, list[str]]], list[int]]:
    """Header, rows with the line they begin on, and lines of ragged rows, by Python's csv module."""
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=delimiter, strict=True)
    header, before = next(reader), reader.line_num
    rows, ragged = [], []
    for row in reader:
        if row and len(row) == len(header):
            rows.append((before + 1, row))
        elif row:
            ragged.append(before + 1)
        before = reader.line_num
    return header, rows, ragged


@pytest.mark.parametrize("block", [1, 2, 3, 7, 16, 64, 1 << 20])
def test_every_line_of_a_broken_file_is_a_row_or_a_reject_with_its_line(block: int) -> None:
    rows, rejected = read(TORTURE, ["id", "name", "note"], block=block)
    assert rows == [
        (2, ["1", "plain", "two\nlines"]),
        (4, ["2", "comma, quoted", 'say "hi"']),
        (8, ["5", '5" screen', "literal quote"]),
        (11, ["8", "fine", "again"]),
        (12, ["9", "", ""]),
        (15, ["12", "Zoë", "naïve\r\n\r\n☃"]),
        (18, ["13", "last", "no newline"]),
    ]
    assert [line_of(row) for row in rejected] == [5, 6, 9, 10, 13, 14]
    reasons = [row.reason for row in rejected]
    assert "has 5 fields where the header has 3" in reasons[0]
    assert "has 2 fields" in reasons[1]
    assert "quote" in reasons[2]
    assert "quote" in reasons[3]
    assert "carriage return" in reasons[4]
    assert "zero byte" in reasons[5]


def test_the_torture_file_without_its_broken_lines_reads_as_pythons_csv_reads_it() -> None:
    broken = {9, 10, 13, 14}
    lines = TORTURE.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    kept = b"\n".join(line for number, line in enumerate(lines, 1) if number not in broken)
    header, expected, ragged = by_csv(kept.decode(), ",")
    rows, rejected = read(kept, header)
    assert rows == expected
    assert [line_of(row) for row in rejected] == ragged


fields = st.text(st.sampled_from("a1 ,;\"\n\r\t|'é☃"), max_size=6)


@given(
    table=st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(fields, min_size=width, max_size=width), max_size=8)
    ),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    block=st.sampled_from([1, 5, 1 << 20]),
    zipped=st.booleans(),
    bom=st.booleans(),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_what_csv_writes_comes_back_identical(
    table: list[list[str]],
    delimiter: str,
    end: str,
    quoting: int,
    block: int,
    zipped: bool,
    bom: bool,
) -> None:
    if end == "\n" and quoting == csv.QUOTE_MINIMAL:  # Python's writer then leaves "\r" unquoted
        table = [[value.replace("\r", "") for value in row] for row in table]
    width = len(table[0]) if table else 2
    header = [f"column {n}" for n in range(width)]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([header, *table])
    content = b"\xef\xbb\xbf" * bom + out.getvalue().encode()
    rows, rejected = read(
        gzip.compress(content) if zipped else content, header, block=block, delimiter=delimiter
    )
    assert rejected == []
    assert [row for _, row in rows] == table
    assert rows == by_csv(out.getvalue(), delimiter)[1]


@given(
    text=st.text(st.sampled_from('ab,"\n'), max_size=40),
    block=st.sampled_from([1, 4, 9, 1 << 20]),
)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_any_text_is_read_as_strict_csv_reads_it_or_rejected_line_by_line(text: str, block: int) -> None:
    """Where strict csv has a reading of the whole text, ours is the same; otherwise every line is told of."""
    content = "x,y\n" + text
    rows, rejected = read(content.encode(), ["x", "y"], block=block, delimiter=",")
    spans = [(line, sum(value.count("\n") for value in row) + 1) for line, row in rows]
    spans += [(line_of(row), (row.raw or "").count("\n") + 1) for row in rejected]
    covered = [line + extra for line, length in spans for extra in range(length)]
    filled = {number for number, line in enumerate(content.split("\n"), 1) if line and number > 1}
    assert len(covered) == len(set(covered))
    assert filled <= set(covered)
    try:
        _, expected, ragged = by_csv(content if content.endswith("\n") else content + "\n", ",")
    except csv.Error:
        assert rejected
    else:
        assert rows == expected
        assert [line_of(row) for row in rejected] == ragged


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out_from_the_header(delimiter: str) -> None:
    content = f'id{delimiter}"a, b; c | d"{delimiter}z\n1{delimiter}x{delimiter}y\n'
    assert read(content.encode(), ["z", "id"])[0] == [(2, ["y", "1"])]


def test_another_encoding_is_read_as_declared() -> None:
    content = "id;name\n1;Müller\n2;€\n"
    for encoding in ("cp1252", "utf-16", "utf-16-le", "utf-8-sig", "iso8859-15"):
        rows, _ = read(content.encode(encoding), ["id", "name"], encoding=encoding, block=3)
        assert rows == [(2, ["1", "Müller"]), (3, ["2", "€"])], encoding


@pytest.mark.parametrize("block", [4, 1 << 20])
def test_a_wrong_encoding_names_the_line_and_the_mend(block: int) -> None:
    content = b'id,name\n1,"a\nb"\n2,M\xfcller\n'
    with pytest.raises(BadSource, match=r'contacts: x.csv line 4 has a byte 0xfc .*encoding = "latin-1"'):
        read(content, ["id"], block=block)
    with pytest.raises(BadSource, match='encoding = "utf-16"'):
        read("id,name\n1,x\n".encode("utf-16"), ["id"])


def test_a_missing_column_names_the_nearest() -> None:
    with pytest.raises(BadSource, match='has no column "customer_id"; did you mean "Customer_ID"'):
        read(b"Customer_ID,name\n1,x\n", ["customer_id"])
    with pytest.raises(BadSource, match='2 columns "id"'):
        read(b"id,id\n1,2\n", ["id"])


def test_an_empty_file_is_no_table_but_a_header_alone_is_one() -> None:
    with pytest.raises(BadSource, match="empty"):
        read(b"", ["id"])
    with pytest.raises(BadSource, match="empty"):
        read(b"\xef\xbb\xbf", ["id"])
    assert read(b"id,name\n", ["id"]) == ([], [])
    assert read(b"id,name", ["id"]) == ([], [])


def test_a_gzip_file_that_is_cut_off_is_told() -> None:
    content = gzip.compress(b"id,name\n" + b"".join(b"%d,x\n" % n for n in range(5000)))
    with pytest.raises(BadSource, match="cut off or damaged"):
        read(content[: len(content) // 2], ["id"], block=100)


def test_one_stray_quote_does_not_swallow_the_rest_of_a_large_file() -> None:
    lines = [b"id,name"] + [b"%d,some name" % n for n in range(600_000)]
    lines[300] = b'299,"some name'
    rows, rejected = read(b"\n".join(lines), ["id"], block=1 << 20)
    assert len(rows) == 599_999
    assert [row.where for row in rejected] == ["x.csv line 301"]


def test_a_quote_that_stays_open_too_long_is_given_up_before_the_file_ends() -> None:
    """Otherwise one stray quote would have the rest of the file held in memory."""
    line = b"1,some name\n"
    waiting = b'0,"open\n' + line * 100
    assert frame(waiting, delimiter=",", columns=2, line=2, final=False).consumed == 0
    long = b'0,"open\n' + line * (LONGEST_RECORD // len(line) + 1)
    framed = frame(long, delimiter=",", columns=2, line=2, final=False)
    assert [bad.line for bad in framed.bad] == [2]
    assert framed.consumed == len(long)
    assert framed.lines[0] == 3
