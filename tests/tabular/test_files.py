"""What a file may look like: one table in many spellings, and the values that each must give."""

import bz2
import csv
import datetime as dt
import gzip
import io
import lzma

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from tunewright.workloads.tabular.data import Source
from tunewright.workloads.tabular.reading import read

N = 120
AMOUNT = [round(-40 + (i * 7919 % 1987) * 1.25 + 0.05, 2) for i in range(N)]
COUNT = [i * 31 % 23 for i in range(N)]
COLOUR = [("red", "blé", "über", "noir")[i * 7 % 4] for i in range(N)]
DAY = [dt.date(2019, 12, 28) + dt.timedelta(days=i * 17 % 911) for i in range(N)]
FLAG = [i * 13 % 5 < 2 for i in range(N)]
CODE = [f"{i * 37 % 11:03}" for i in range(N)]
ANSWER = [("yes", "no", "no")[i * 11 % 3] for i in range(N)]
HEADER = ("amount", "count", "colour", "day", "flag", "code", "answer")
KINDS = dict(
    zip(HEADER, ("number", "number", "category", "date", "boolean", "category"), strict=False)
)
EVERY = 40  # so many rows, one has an odd cell


def mark(value, *, decimal=".", thousands=""):
    """A number as a spreadsheet writes it."""
    whole, part = f"{value:,.2f}".split(".")
    return whole.replace(",", thousands) + decimal + part


def text(
    *,
    sep=",",
    amount=str,
    day=str,
    flag=str,
    code=str,
    odd="",
    count=str,
    colour=str,
    end="\n",
    quoting=csv.QUOTE_MINIMAL,
    **more,
):
    """The table as a text. `odd` stands in one of `EVERY` rows for the amount and the count."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=sep, lineterminator=end, quoting=quoting, **more)
    writer.writerow(HEADER)
    for i in range(N):
        row = [
            amount(AMOUNT[i]),
            count(COUNT[i]),
            colour(COLOUR[i]),
            day(DAY[i]),
            flag(FLAG[i]),
            code(CODE[i]),
            ANSWER[i],
        ]
        if odd and i % EVERY == 0:
            row[0] = row[1] = odd
        writer.writerow(row)
    return out.getvalue()


def arrow(**other):
    """The table as typed columns."""
    data = dict(zip(HEADER, (AMOUNT, COUNT, COLOUR, DAY, FLAG, CODE, ANSWER), strict=True))
    return pa.table(data | other)


def parquet(table):
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def ipc(table, compression="uncompressed"):
    out = io.BytesIO()
    feather.write_feather(table, out, compression=compression)
    return out.getvalue()


CASES = {}


def case(name, content, ending=".csv", *, encoding="utf-8", odd=False, **options):
    assert name not in CASES
    CASES[name] = (
        content.encode(encoding) if isinstance(content, str) else content,
        ending,
        odd,
        options,
    )


for _name, _sep in {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}.items():
    for _encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        case(f"{_name}, {_encoding}", text(sep=_sep), encoding=_encoding)
case("spaces", text(sep=" "), ".txt")
case("utf-16 without a mark", text(), encoding="utf-16-le")
case("utf-16 the other way, without a mark", text(), encoding="utf-16-be")
case("an encoding that is said", text(), encoding="cp850", encoding_="cp850")
case("a delimiter that is said", text(sep="^"), delimiter="^")
for _name, _sep in {"semicolon": ";", "tab": "\t", "pipe": "|", "comma": ","}.items():
    case(f"decimal commas, {_name}", text(sep=_sep, amount=lambda v: mark(v, decimal=",")))
case("thousands with commas", text(amount=lambda v: mark(v, thousands=",")))
case("thousands with points", text(sep=";", amount=lambda v: mark(v, decimal=",", thousands=".")))
case("thousands with spaces", text(sep=";", amount=lambda v: mark(v, decimal=",", thousands=" ")))
case(
    "thousands with fixed spaces",
    text(sep=";", amount=lambda v: mark(v, decimal=",", thousands="\u00a0")),
)
case("thousands with apostrophes", text(amount=lambda v: mark(v, thousands="'")))
case("dollars", text(amount=lambda v: f"${mark(v)}".replace("$-", "-$")))
case("few dollars", text(amount=lambda v: f"${v}" if v > 2000 else v))
case("euros behind", text(sep=";", amount=lambda v: mark(v, decimal=",") + " €"))
case("per cent", text(amount=lambda v: f"{v} %"))
case("factors", text(amount=lambda v: f"{v}x"))
case("a unit of letters", text(amount=lambda v: f"{v} km/h"))
case("brackets for what is negative", text(amount=lambda v: f"({-v})" if v < 0 else v))
case("a true minus sign", text(amount=lambda v: str(v).replace("-", "−")))
case("plus signs", text(amount=lambda v: f"{v:+}"))
case("exponents", text(amount=lambda v: f"{v:e}"))
for _code in (
    "NA",
    "N/A",
    "n/a",
    "NULL",
    "null",
    "None",
    "NaN",
    "nan",
    "-",
    "--",
    "?",
    " NA ",
    "n.a.",
    "#N/A",
    "<NA>",
    "#DIV/0!",
    "unknown",
    "12,5,1",
    "abc",
):
    case(f"one odd cell: {_code}", text(odd=_code), odd=True)
case("a code that is said", text(odd="-999"), odd=True, missing=("-999",))
case(
    "spaces around cells",
    text(amount=lambda v: f"  {v} ", colour=lambda v: f" {v} ", code=lambda v: f" {v}"),
)
case("whole numbers as floats", text(count=lambda v: f"{v}.0"))
for _name, _day in {
    "dots": "%d.%m.%Y", "day first": "%d/%m/%Y", "month first": "%m/%d/%Y", "hyphens": "%d-%m-%Y", "slashes": "%Y/%m/%d",
    "names": "%d %b %Y", "names with hyphens": "%d-%b-%Y", "names first": "%B %d, %Y", "two digits": "%m/%d/%y",
    "midnight": "%Y-%m-%dT00:00:00", "midnight in UTC": "%Y-%m-%d 00:00:00Z", "midnight elsewhere": "%Y-%m-%d 05:30:00+05:30",
    "half a day": "%m/%d/%Y 12:00:00 AM",
}.items():  # fmt: skip
    case(f"dates: {_name}", text(day=lambda v, form=_day: v.strftime(form)))
for _name, _flag in {"upper": lambda v: str(v).upper(), "lower": lambda v: str(v).lower()}.items():
    case(f"truth: {_name} case", text(flag=_flag))
case("all quoted", text(quoting=csv.QUOTE_ALL))
case("single quotes", text(quoting=csv.QUOTE_ALL, quotechar="'"))
case("lines end as on Windows", text(end="\r\n"))
case("lines end as on old machines", text(end="\r"))
case("no last line end", text().rstrip("\n"))
case("empty lines", "\n\n" + text().replace("\nno", "\n\nno") + "\n\n")
case("a line for Excel", "sep=;\n" + text(sep=";"))
case("a mark at each line's end", "\n".join(f"{line}," for line in text().splitlines()))
case(
    "row names without a name",
    "".join(f"{f'r{i},' if i else ''}{line}\n" for i, line in enumerate(text().splitlines())),
)
case(
    "row names with an empty name",
    "".join(f"{i or ''},{line}\n" for i, line in enumerate(text().splitlines())),
)
case("gzip", gzip.compress(text().encode()), ".csv.gz")
case("bzip2", bz2.compress(text(sep="\t").encode()), ".tsv.bz2")
case("xz", lzma.compress(text().encode()), ".txt.xz")
case("Parquet", parquet(arrow()), ".parquet")
case(
    "Parquet of texts",
    parquet(
        arrow(
            amount=list(map(str, AMOUNT)),
            count=list(map(str, COUNT)),
            day=list(map(str, DAY)),
            flag=list(map(str, FLAG)),
        )
    ),
    ".parquet",
)
case(
    "Parquet with dictionaries",
    parquet(
        arrow(colour=pa.array(COLOUR).dictionary_encode(), code=pa.array(CODE).dictionary_encode())
    ),
    ".pq",
)
case(
    "Parquet with other types",
    parquet(
        arrow(
            amount=pa.array(AMOUNT, pa.float32()),
            count=pa.array(COUNT, pa.uint8()),
            day=pa.array(DAY, pa.date64()),
            colour=pa.array(COLOUR, pa.large_string()),
        )
    ),
    ".parquet",
)
case(
    "Parquet with decimals and zones",
    parquet(
        arrow(
            amount=pa.array([f"{v:.2f}" for v in AMOUNT]).cast(pa.decimal128(12, 2)),
            day=pa.array(DAY).cast(pa.timestamp("ns")).cast(pa.timestamp("ns", "UTC")),
        )
    ),
    ".parquet",
)
case(
    "Parquet with bytes",
    parquet(arrow(colour=pa.array([c.encode() for c in COLOUR], pa.binary()))),
    ".parquet",
)
case("Arrow", ipc(arrow()), ".arrow")
case(
    "Feather, packed, with views",
    ipc(arrow(colour=pa.array(COLOUR, pa.string_view())), "lz4"),
    ".feather",
)


@pytest.mark.parametrize("name", CASES)
def test_each_spelling_of_the_table_gives_its_values(tmp_path, name):
    content, ending, odd, options = CASES[name]
    path = tmp_path / f"t{ending}"
    path.write_bytes(content)
    said = {key.rstrip("_"): value for key, value in options.items()}
    got = read(Source(str(path), "answer", **said))
    assert dict(got.facts.kinds) == KINDS
    amount, count = np.array(AMOUNT), np.array(COUNT, float)
    if odd:
        amount[::EVERY] = count[::EVERY] = np.nan
    columns = {column.name: column for column in got.columns}
    np.testing.assert_array_equal(columns["amount"].values, amount)
    np.testing.assert_array_equal(columns["count"].values, count)
    np.testing.assert_array_equal(columns["flag"].values, np.array(FLAG, float))
    seconds = [(day - dt.date(1970, 1, 1)).days * 86400.0 for day in DAY]
    np.testing.assert_array_equal(columns["day"].values, seconds)
    for column, texts in (("colour", COLOUR), ("code", CODE)):
        assert [columns[column].categories[i] for i in columns[column].values] == texts
    assert [got.facts.classes[i] for i in got.y] == ANSWER


def test_there_are_enough_spellings():
    assert len(CASES) >= 60


def test_all_spellings_of_the_same_values_are_the_same_data(tmp_path):
    digests = set()
    for i, (content, ending, odd, options) in enumerate(CASES.values()):
        if not odd:
            path = tmp_path / f"t{i}{ending}"
            path.write_bytes(content)
            said = {key.rstrip("_"): value for key, value in options.items()}
            digests.add(read(Source(str(path), "answer", **said)).content)
    assert len(digests) == 1


def test_what_was_found_is_told(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(
        text(sep=";", amount=lambda v: mark(v, decimal=","), odd="abc").encode("cp1252")
    )
    facts = read(Source(str(path), "answer")).facts
    assert facts.read_as == "cp1252, delimiter ;, decimal mark ,"
    assert any("cp1252" in note for note in facts.notes)
    amount, _ = facts.exceptions
    assert (amount.column, amount.kind, amount.count, amount.rows) == (
        "amount",
        "number",
        3,
        (1, 41, 81),
    )
    assert (
        "3 cells of 'amount' are no number and count as missing: 'abc' (row 1), 'abc' (row 41), 'abc' (row 81)"
        in facts.notes
    )
