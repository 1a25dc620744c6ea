"""The artifact cache: content by key within a size, whatever happens to its files."""

from __future__ import annotations

import os

import pytest

from tunewright.core.metrics import Sample
from tunewright.core.roles import Artifact
from tunewright.errors import TrialFailed
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
