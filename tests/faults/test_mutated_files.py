"""Whatever a file became on its way here: every command that takes one works or says one sentence."""

import gzip
import json
import random
import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import tunewright as tw
from tunewright.deploying.deploy import deploy
from tunewright.storing.journal import FILE
from tunewright.storing.studies import ROOT

FEW, MANY = range(20), range(20, 520)  # seeds: one is one file
FINE = (0, 2)
TABLE, RUNS, OLDER = "t-1", "sh-1", ("format1-table", "format1-programs")
STUDIES = (TABLE, RUNS, *OLDER)

# Mutations: bytes and chance in, bytes out.


def truncated(content, chance):
    return content[: chance.randrange(len(content) + 1)]


def flipped(content, chance):
    changed = bytearray(content)
    for _ in range(chance.choice([1, 3, 30])):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def nulls(content, chance):
    at = chance.randrange(len(content))
    return content[:at] + bytes(chance.choice([1, 8, 4096])) + content[at:]


def another_encoding(content, chance):
    text = content.decode("utf-8", "replace") + chance.choice(["", "é", "中文", "\u2028"])
    name = chance.choice(
        ["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1", "cp1252", "gb18030"]
    )
    return text.encode(name, "replace")


def lines(content, chance):
    """Lines twice, gone, in another order, or with other ends."""
    rows = content.splitlines(keepends=True)
    at = chance.randrange(len(rows))
    how = chance.choice(["double", "all", "drop", "shuffle", "header", "blank", "ends"])
    match how:
        case "double":
            rows.insert(at, rows[at])
        case "all":
            rows = [row for row in rows for _ in range(2)]
        case "drop":
            del rows[at]
        case "shuffle":
            chance.shuffle(rows)
        case "header":
            rows = rows[1:]
        case "blank":
            rows.insert(at, b"\n" * chance.choice([1, 50]))
        case "ends":
            return content.replace(b"\n", chance.choice([b"\r", b"\r\n", b"\n\r", b" \n"]))
    return b"".join(rows)


def ragged(content, chance):
    """A line with more or fewer cells than others, or a mark that opens a quotation."""
    rows = content.splitlines(keepends=True)
    at = chance.randrange(len(rows))
    cells = rows[at].split(b",")
    cut = chance.randrange(len(cells) + 1)
    more = chance.choice(
        [b"", b"x,y,z", b'"', b"'", b'"\n', b"\\", b";;", b"\t", b"1e999", b"nan,-inf"]
    )
    rows[at] = b",".join([*cells[:cut], more, *cells[cut + chance.randrange(2) :]])
    return b"".join(rows)


def huge(content, chance):
    """One cell, or one line, that is larger than any buffer."""
    at = chance.randrange(len(content))
    return (
        content[:at] + chance.choice([b"9", b"x", b",", b'"', b"[", b"\n"]) * 200_000 + content[at:]
    )


def empty(content, chance):
    return chance.choice(
        [b"", b"\n", b" ", b"\xef\xbb\xbf", b"PAR1", b"ARROW1", b"\x1f\x8b", b"{}", b"[]", b"null"]
    )


def packed(content, chance):
    body = gzip.compress(content)
    return chance.choice(
        [body, truncated(body, chance), flipped(body, chance), gzip.compress(body)]
    )


def other_value(content, chance):
    """JSON with one of its values replaced, dropped or twice; anything else as it is."""
    try:
        body = json.loads(content)
    except ValueError:
        return content
    places = list(_places(body))
    holder, key = chance.choice(places) if places else ([body], 0)
    odd = [
        None,
        True,
        -1,
        0,
        10**30,
        0.5,
        "",
        "nan",
        "x",
        [],
        {},
        [[1]],
        {"a": {"b": 1}},
        holder[key],
    ]
    if chance.random() < 0.2:
        del holder[key]
    else:
        holder[key] = chance.choice(odd)
    return json.dumps(body).encode()


def _places(body):
    items = (
        body.items()
        if isinstance(body, dict)
        else enumerate(body)
        if isinstance(body, list)
        else ()
    )
    for key, value in items:
        yield body, key
        yield from _places(value)


MUTATIONS = (
    truncated,
    flipped,
    nulls,
    another_encoding,
    lines,
    ragged,
    huge,
    empty,
    packed,
    other_value,
)
TEXTS = MUTATIONS[:-1]
BYTES = (truncated, flipped, nulls, lines, empty, packed)


def mutate(path, chance, kinds=MUTATIONS):
    """Harm a file in its place: once or twice, or put something there that is no file."""
    if chance.random() < 0.03:
        path.unlink()
        if chance.random() < 0.5:
            path.mkdir()
        return
    content = path.read_bytes()
    for _ in range(chance.choice([1, 1, 2])):
        content = chance.choice(kinds)(content, chance) if content else content
    path.write_bytes(content)


# What there is to be harmed


def columns(n=120):
    chance = random.Random(1)
    return {
        "a": [chance.gauss(0, 1) for _ in range(n)],
        "b": [None if i % 17 == 0 else i % 7 for i in range(n)],
        "when": [f"2024-0{i % 9 + 1}-1{i % 10}" for i in range(n)],
        "town": [("Bonn", "Köln", "O'Hara, IL", "")[chance.randrange(4)] for _ in range(n)],
        "y": [int(chance.random() < 0.4) for _ in range(n)],
    }


ENDINGS = {
    ".csv": pa.csv.write_csv,
    ".parquet": pq.write_table,
    ".arrow": partial(pyarrow.feather.write_feather, compression="uncompressed"),
}


@pytest.fixture(scope="module")
def origin(tmp_path_factory, command):
    """A directory with a table in each format, a bundle, studies, and a saved baseline."""
    where = tmp_path_factory.mktemp("origin")
    for ending, write in ENDINGS.items():
        write(pa.table(columns()), where / f"t{ending}")
    assert command(where, "verify", "--save", "saved.json", "--pairs", "5", "true").returncode == 0
    spec = tw.Table(str(where / "t.csv"), "y", families=("linear",))
    limits, root = tw.Limits(workers=0), where / ROOT
    table = tw.tune(spec, goal="maximize roc_auc", budget="3 trials", limits=limits, root=root)
    deploy(table, where / "bundle")
    runs = tw.Command(
        ("sh", "-c", "echo v={n}"), ("n=1:1..3",), metric=("v=regex:v=([0-9]+):lower",)
    )
    tw.tune(runs, goal="minimize v", budget="2 trials", root=root)
    fixtures = Path(__file__).parent.parent / "storing" / "fixtures"
    for name in OLDER:
        (root / name).mkdir()
        shutil.copy(fixtures / f"{name}.sqlite", root / name / FILE)
    for made in root.glob("*/artifacts"):  # they are made again where they are gone
        shutil.rmtree(made)
    return where


@pytest.fixture
def copied(origin, tmp_path):
    """A fresh copy of all that."""

    def copy(number):
        where = tmp_path / str(number)
        shutil.copytree(origin, where)
        return where

    return copy


def one_sentence(done, fine=FINE):
    assert done.returncode in fine, done
    assert "Traceback" not in done.stderr, done.stderr
    errors = [line for line in done.stderr.splitlines() if not line.startswith("note: ")]
    assert len(errors) == (done.returncode == 2), done.stderr
    assert all(line.startswith("error: ") for line in errors), done.stderr
    assert all(len(line) < 1000 for line in errors), done.stderr


def ending(where, chance, name="t"):
    """One of the table's files, sometimes under a name that it does not deserve."""
    path = where / f"{name}{chance.choice(list(ENDINGS))}"
    if chance.random() < 0.2:
        path = path.rename(
            where / f"{name}{chance.choice(['.csv', '.parquet', '.gz', '.csv.gz', '.xyz', ''])}"
        )
    return path


def harmed(where, chance):
    """The table in one of its formats, harmed, sometimes under a name that it does not deserve."""
    path = where / f"t{chance.choice(list(ENDINGS))}"
    if chance.random() < 0.2:
        path = path.rename(
            where / f"t{chance.choice(['.csv', '.parquet', '.gz', '.csv.gz', '.xyz', ''])}"
        )
    mutate(path, chance, TEXTS)
    return path.name


def harmed_bundle(where, chance):
    mutate(chance.choice([where / "bundle" / "bundle.json", *(where / "bundle").iterdir()]), chance)


def harmed_study(where, chance, name):
    """The journal of a study with other bytes, or whole with events that nobody wrote so."""
    path = where / ROOT / name / FILE
    if chance.random() < 0.5:
        mutate(path, chance, BYTES)
        return
    with closing(sqlite3.connect(path)) as db, db:
        bodies = [body for (body,) in db.execute("select body from events order by id")]
        at = chance.randrange(len(bodies))
        kind = chance.choice([other_value, other_value, truncated, flipped, empty])
        body = kind(bodies[at].encode(), chance).decode("utf-8", "replace")
        bodies = {
            "change": [*bodies[:at], body, *bodies[at + 1 :]],
            "drop": [*bodies[:at], *bodies[at + 1 :]],
            "double": [*bodies[:at], bodies[at], *bodies[at:]],
            "end": bodies[:at],
        }[chance.choice(["change", "change", "change", "drop", "double", "end"])]
        db.execute("delete from events")
        db.executemany("insert into events (body) values (?)", [(body,) for body in bodies])


def tune(where, command, chance):
    return command(where, "tune", harmed(where, chance), "--target", "y", "--dry-run")


def tune_judged_by_a_file(where, command, chance):
    pq.write_table(pa.table(columns()), where / "whole.parquet")
    words = ("tune", "whole.parquet", "--target", "y", "--test", harmed(where, chance), "--dry-run")
    return command(where, *words)


def tune_from_a_bundle(where, command, chance):
    harmed_bundle(where, chance)
    return command(where, "tune", "t.csv", "--target", "y", "--baseline", "bundle", "--dry-run")


def predict_rows(where, command, chance):
    return command(where, "predict", "bundle", harmed(where, chance))


def predict_by_a_bundle(where, command, chance):
    harmed_bundle(where, chance)
    return command(where, "predict", "bundle", "t.csv")


def verify_against(where, command, chance):
    mutate(where / "saved.json", chance)
    return command(where, "verify", "--against", "saved.json", "--budget", "0.3s", "true")


def study_list(where, command, chance):
    for name in STUDIES:
        harmed_study(where, chance, name)
    return command(where, "study", "list")


def study_show(where, command, chance):
    name = chance.choice(STUDIES)
    harmed_study(where, chance, name)
    return command(where, "study", "show", name)


def study_resume(where, command, chance):
    harmed_study(where, chance, RUNS)
    return command(where, "study", "resume", RUNS)


def report(where, command, chance):
    name = chance.choice(STUDIES)
    harmed_study(where, chance, name)
    return command(where, "report", name, "--language", chance.choice(["en", "zh"]))


COMMANDS = {
    tune: FINE, tune_judged_by_a_file: FINE, tune_from_a_bundle: FINE, predict_rows: FINE,
    predict_by_a_bundle: FINE, verify_against: (0, 1, 2, 3), study_list: FINE, study_show: FINE,
    study_resume: (0, 1, 2), report: FINE,
}  # fmt: skip


@pytest.mark.parametrize("seeds", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("run", COMMANDS)
def test_a_command_works_or_says_one_sentence(run, seeds, copied, command):
    for seed in seeds:
        where = copied(seed)
        one_sentence(run(where, command, random.Random(f"{run.__name__} {seed}")), COMMANDS[run])
        shutil.rmtree(where)
