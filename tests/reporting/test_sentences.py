"""What other layers say is known in both languages."""

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tunewright
from tunewright.reporting.sentences import SENTENCES, in_language, label_of, stage_of

SOURCE = Path(tunewright.__file__).parent
# Where sentences come from that a report shows: whole modules, or functions of them.
SPEAKERS: dict[str, set[str]] = {
    "loop/conclusion.py": set(),
    "loop/search.py": set(),
    "loop/verification.py": set(),
    "core/history.py": {"applied", "_end"},
    "core/preference.py": {"nearest_miss"},
    "stats/rows.py": set(),
    "verifying/claims.py": set(),
    "verifying/judge.py": set(),
    "verifying/pairs.py": set(),
    "workloads/command.py": {"_notes", "describe"},
    "workloads/programs/knobs.py": {"_range", "_choice_notes"},
    "workloads/programs/failures.py": {"why_failed", "telling"},
    "workloads/programs/metrics.py": {"note"},
    "workloads/programs/words.py": {"notes_on"},
    "workloads/tabular/column_kinds.py": {"_whole", "_told"},
    "workloads/tabular/doubts.py": set(),
    "workloads/tabular/files.py": {"_text", "_parquet"},
    "workloads/tabular/kind.py": {"_facts"},
    "workloads/tabular/provable.py": set(),
    "workloads/tabular/parts.py": {"split"},
    "workloads/tabular/reading.py": {"_notes", "_tell", "_features", "rounded"},
    "workloads/tabular/target.py": {"_is_regression", "_asked", "_classes", "_doubtful"},
    "workloads/tabular/useless.py": set(),
}


def said(path, functions):
    """The pieces of text in there that are no docstring and no error."""
    tree = ast.parse((SOURCE / path).read_text(encoding="utf-8"))
    nodes = [
        inner
        for node in ast.walk(tree)
        if not functions or (isinstance(node, ast.FunctionDef) and node.name in functions)
        for inner in ast.walk(node)
    ]
    left_out = set()
    for node in nodes:
        silent = isinstance(node, ast.Raise | ast.Assert) or (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        )
        if silent or getattr(getattr(node, "func", None), "attr", "") in {"compile", "get"}:
            left_out |= {id(inner) for inner in ast.walk(node)}
    for node in nodes:
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and id(node) not in left_out:
            yield from text.split("; ")


def words(text):
    return re.findall(r"[a-z]{2,}", text)


@pytest.mark.parametrize("path", SPEAKERS)
def test_every_piece_of_a_sentence_stands_in_a_template(path):
    pieces = [re.split(r"{\w+}|; |[0-9]", text) for text in SENTENCES]
    known = [piece for found in pieces for piece in found if len(words(piece)) >= 2]
    missing = [
        text
        for text in said(path, SPEAKERS[path])
        for part in re.split("[0-9]", text)
        if len(words(part)) >= 3 and re.fullmatch("[ -~]+", part) and part not in ERRORS
        if not any(part.strip() in piece or piece.strip() in part for piece in known)
    ]
    assert not missing, "add them to reporting/sentences.py, in both languages"


ERRORS = {"a column without a name", "the target stands alone", "three classes or more"}


PLACES = st.text("abcXYZ_09", min_size=1, max_size=8)


@pytest.mark.parametrize("template", SENTENCES)
@given(data=st.data())
def test_a_sentence_keeps_what_is_the_users_and_nothing_else(template, data):
    places = {}
    for name in re.findall(r"{(\w+)}", template):
        numbers = st.integers(1, 10**6).map("{:,}".format)
        known = {
            "arm": st.just("baseline"), "outcome": st.just("out of memory"),
            "task": st.just("regression"), "what": st.just("rows"), "thing": st.just("number"),
            "first": st.just("day"),
            "why": st.just("crashed: out of memory" if "failed" in template else "constant"),
        }  # fmt: skip
        kind = numbers if re.fullmatch(r"n|m|k|all|least|count2?|runs2?", name) else PLACES
        places[name] = data.draw(known.get(name, kind))
    told = in_language(template.format(**places), "zh")
    assert re.search("[\u4e00-\u9fff]", told)
    left = told
    for text in sorted(
        {
            *places.values(),
            *re.findall(r"--[\w-]+(?: (?:multiclass|regression))?|sh -c '[^']*'", template),
        },
        key=len,
    )[::-1]:
        left = left.replace(text, "")
    names = {"LightGBM", "UTF", "MiB", "shell", "fixed", "s"}
    assert set(re.findall("[A-Za-z]+", left)) <= names | set("abcXYZ")


@given(st.text(max_size=40))
def test_english_and_what_is_unknown_stay_as_they_are(text):
    assert in_language(text, "en") == text
    odd = f"{text} ~"
    assert in_language(odd, "zh").endswith("~")


def test_names_of_the_user_stay_beside_sentences():
    assert in_language("x; y; not measured", "zh") == "x; y; 未测得"
    assert label_of("step pack", "zh") == "步骤 pack"
    assert (label_of("numpy", "zh"), stage_of("pack", "zh")) == ("numpy", "pack")
    assert (label_of("data", "en"), stage_of("fit", "en")) == ("data", "fit")
