import os
import stat

import pytest

from tunewright.errors import InputError, StoreError
from tunewright.storing.journal import FILE, Journal
from tunewright.storing.studies import Studies


def made(studies, stem, at_s):
    directory = studies.create(stem)
    Journal(directory).close()
    os.utime(directory / FILE, (at_s, at_s))
    return directory


def test_studies_are_numbered_beyond_the_highest(tmp_path):
    studies = Studies(tmp_path / "root")
    assert studies.names() == ()
    assert [studies.create("adult").name for _ in range(2)] == ["adult-1", "adult-2"]
    (studies.root / "adult-1").rmdir()
    assert studies.create("adult").name == "adult-3"
    assert studies.create("adult-3").name == "adult-3-1"
    assert stat.S_IMODE(studies.root.stat().st_mode) == 0o700
    assert stat.S_IMODE((studies.root / "adult-3").stat().st_mode) == 0o700


def test_any_text_gives_a_directory_name(tmp_path):
    studies = Studies(tmp_path)
    names = [studies.create(stem).name for stem in ("../../etc", "a b/c", "数据", "", "...")]
    assert names == ["etc-1", "a-b-c-1", "数据-1", "study-1", "study-2"]


def test_the_latest_is_the_one_written_last(tmp_path):
    studies = Studies(tmp_path)
    made(studies, "b", 300)
    made(studies, "a", 100)
    made(studies, "b", 200)
    studies.create("unfinished")  # no journal yet: no study yet
    assert studies.names() == ("a-1", "b-2", "b-1")
    assert studies.latest() == tmp_path / "b-1"


def test_a_study_is_found_by_name_or_the_nearest_is_named(tmp_path):
    studies = Studies(tmp_path)
    made(studies, "adult", 1)
    assert studies.find("adult-1") == tmp_path / "adult-1"
    with pytest.raises(InputError, match=r"no study 'adlut-1' in .*: did you mean 'adult-1'\?"):
        studies.find("adlut-1")


def test_without_a_study_the_next_step_is_named(tmp_path):
    with pytest.raises(InputError, match="got none; run 'tunewright tune' first"):
        Studies(tmp_path).latest()


def test_a_root_that_cannot_be_made_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make a study in"):
        Studies(tmp_path / "file" / "root").create("adult")
