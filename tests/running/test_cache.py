"""The artifact cache: content by key within a size, whatever happens to its files."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from tunewright.core.metrics import Sample
from tunewright.core.roles import Artifact
from tunewright.errors import StoreError, TrialFailed
from tunewright.running.cache import ArtifactCache, Kept


def kept(value, digest=""):
    return Kept(Artifact(value, {"x": Sample((1.0,))}, digest), {"y": Sample((2.0,))})


def used(cache, key, at_ns):
    os.utime(cache.directory / f"{key}.artifact", ns=(at_ns, at_ns))


def test_what_was_put_comes_back_in_another_process(tmp_path):
    ArtifactCache(tmp_path).put("k", kept([1, 2]), "fit")
    again = ArtifactCache(tmp_path)
    assert "k" in again
    assert again.get("k") == kept([1, 2])
    assert again.get("other") is None
    assert tmp_path.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("damage", [b"", b"x", b"junk that is no pickle", None])
def test_a_damaged_file_counts_as_absent(tmp_path, damage):
    ArtifactCache(tmp_path).put("k", kept(b"x" * 1000), "fit")
    path = tmp_path / "k.artifact"
    path.write_bytes(path.read_bytes()[:-1] if damage is None else damage)
    cache = ArtifactCache(tmp_path)
    assert cache.get("k") is None
    assert "k" not in cache
    cache.put("k", kept(1), "fit")
    assert ArtifactCache(tmp_path).get("k") == kept(1)


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    ArtifactCache(tmp_path / "other").put("x", kept(bytes(1000)), "fit")
    size = (tmp_path / "other" / "x.artifact").stat().st_size
    cache = ArtifactCache(tmp_path / "here", 4 * size - 1)
    for i, key in enumerate("abc"):
        cache.put(key, kept(bytes(1000)), "fit")
        used(cache, key, i)
    cache.get("a")
    cache.put("d", kept(bytes(1000)), "fit")
    assert [key for key in "abcd" if key in cache] == ["a", "c", "d"]


def test_what_is_larger_than_the_budget_is_kept_in_memory_alone(tmp_path):
    cache = ArtifactCache(tmp_path, 100)
    cache.put("k", kept(bytes(1000)), "fit")
    assert "k" not in cache
    assert cache.get("k") == kept(bytes(1000))


def test_only_the_last_artifacts_stay_in_memory(tmp_path):
    cache = ArtifactCache(tmp_path, 100)
    for i in range(20):
        cache.put(str(i), kept(bytes(1000)), "fit")
    assert cache.get("0") is None
    assert cache.get("19") is not None


def test_a_full_disk_fails_no_trial(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    cache = ArtifactCache(tmp_path)
    monkeypatch.setattr("tempfile.mkstemp", full)
    cache.put("k", kept(1, "digest"), "fit")
    assert "k" not in cache
    assert cache.get("k") == kept(1, "digest")


def test_another_answer_for_the_same_key_fails_the_trial_even_after_eviction(tmp_path):
    cache = ArtifactCache(tmp_path)
    cache.put("k", kept(1, "digest"), "fit")
    (tmp_path / "k.artifact").unlink()
    again = ArtifactCache(tmp_path)
    again.put("k", kept(1, "digest"), "fit")
    with pytest.raises(TrialFailed, match="declared exact changed the answer of stage fit"):
        again.put("k", kept(2, "another"), "fit")
    again.put("k", kept(2), "fit")  # without a digest there is nothing to compare


def test_code_that_cannot_be_imported_travels_by_value(tmp_path):
    add = eval("lambda x: x + 1")
    cache = ArtifactCache(tmp_path)
    cache.put("k", kept(add), "fit")
    assert ArtifactCache(tmp_path).get("k").artifact.value(1) == 2


# Artifacts with files


def with_files(place, *sizes):
    """An artifact whose directory holds so many files of these sizes."""
    files = place / "files"
    files.mkdir(parents=True)
    for i, size in enumerate(sizes):
        (files / str(i)).write_bytes(bytes(size))
    return Kept(Artifact("with files", files=files))


def left(directory):
    """What stands in a cache's directory, by key."""
    return {entry.stem for entry in directory.glob("*.*")}


def test_files_move_into_the_cache_and_come_back_in_another_process(tmp_path):
    cache = ArtifactCache(tmp_path / "cache")
    made = with_files(tmp_path / "trial", 10)
    put = cache.put("k", made, "prepare", took_s=0.0)  # they cost no pickling
    assert not made.artifact.files.exists()
    for files in (put.artifact.files, ArtifactCache(tmp_path / "cache").get("k").artifact.files):
        assert [path.name for path in files.iterdir()] == ["0"]
    again = cache.put("k", with_files(tmp_path / "other", 10), "prepare")  # both had made them
    assert again.artifact.files == put.artifact.files


def test_a_study_that_moved_finds_its_files_where_they_are_now(tmp_path):
    ArtifactCache(tmp_path / "a").put("k", with_files(tmp_path / "trial", 10), "prepare")
    (tmp_path / "a").rename(tmp_path / "b")
    files = ArtifactCache(tmp_path / "b").get("k").artifact.files
    assert files.is_relative_to(tmp_path / "b")
    assert files.is_dir()


def test_an_artifact_is_evicted_whole(tmp_path):
    cache = ArtifactCache(tmp_path / "cache", 10_000)
    for i, key in enumerate("abcd"):
        cache.put(key, with_files(tmp_path / key, 2_000, 1_000), "prepare")
        for entry in cache.directory.glob(f"{key}.*"):
            os.utime(entry, ns=(i, i))
    assert left(cache.directory) == set("bcd")
    for key in "bcd":
        assert len([*cache.directory.glob(f"{key}.*")]) == 2
    assert cache.get("a") is None
    assert len([*cache.get("b").artifact.files.iterdir()]) == 2


def test_using_an_artifact_spares_its_files(tmp_path):
    cache = ArtifactCache(tmp_path / "cache", 10_000)
    for i, key in enumerate("abc"):
        cache.put(key, with_files(tmp_path / key, 3_000), "prepare")
        for entry in cache.directory.glob(f"{key}.*"):
            os.utime(entry, ns=(i, i))
    ArtifactCache(tmp_path / "cache").get("a")
    cache.put("d", with_files(tmp_path / "d", 3_000), "prepare")
    assert left(cache.directory) == set("acd")


def test_files_that_are_gone_take_their_artifact_along(tmp_path):
    cache = ArtifactCache(tmp_path / "cache")
    put = cache.put("k", with_files(tmp_path / "trial", 10), "prepare")
    shutil.rmtree(put.artifact.files)
    assert cache.get("k") is None
    assert "k" not in cache


def test_files_beyond_the_budget_stay_with_their_trial(tmp_path):
    cache = ArtifactCache(tmp_path / "cache", 10_000)
    cache.put("small", with_files(tmp_path / "small", 100), "prepare")
    made = with_files(tmp_path / "large", 20_000)
    put = cache.put("large", made, "prepare")
    assert put.artifact.files == made.artifact.files
    assert made.artifact.files.is_dir()  # the trial goes on with them
    assert cache.get("large") is None
    assert left(cache.directory) == {"small"}
    with pytest.raises(StoreError, match="cannot keep what stage prepare made"):
        cache.put("large", made, "prepare", must=True)


def test_what_must_be_kept_and_cannot_be_pickled_says_so(tmp_path):
    made = Kept(Artifact(sys._getframe(), files=with_files(tmp_path / "t", 10).artifact.files))
    cache = ArtifactCache(tmp_path / "cache")
    with pytest.raises(TrialFailed, match="cannot be pickled"):
        cache.put("k", made, "prepare", must=True)
    assert cache.put("k", made, "prepare").artifact.files.is_dir()
    assert left(cache.directory) == set()
