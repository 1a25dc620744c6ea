"""What is no bundle is refused in one sentence that names the one that is meant."""

import pytest

from tunewright.deploying.bundle import load
from tunewright.errors import InputError


def study(place):
    (place / "t-1" / "bundle").mkdir(parents=True)
    (place / "t-1" / "bundle" / "bundle.json").write_text("[")
    (place / "t-1" / "bundle" / "model.txt").write_text("")
    (place / "t-1" / "journal.sqlite").write_text("")
    (place / "t-2").mkdir()
    return place


@pytest.mark.parametrize(
    ("given", "told", "meant"),
    [
        ("t-1", "without bundle.json", "name {place}/t-1/bundle"),
        ("t-1/journal.sqlite", "which is a file", "the directory that holds bundle.json"),
        ("t-1/bundle/model.txt", "which is a file", "name {place}/t-1/bundle"),
        ("t-1/bundle/bundle.json", "which is a file", "name {place}/t-1/bundle"),
        ("t-1/bundle/more", "which does not exist", "name {place}/t-1/bundle"),
        ("t-2", "without bundle.json", "the directory that holds bundle.json"),
        ("t-2/bundle", "which does not exist", "the directory that holds bundle.json"),
        ("t-3", "which does not exist", "the directory that holds bundle.json"),
        ("t-1/bundle", "with bundle.json that cannot be read: ", "deploy it again"),
    ],
)
def test_what_is_no_bundle_is_told_which_one_is_meant(tmp_path, given, told, meant):
    place = study(tmp_path)
    with pytest.raises(InputError) as caught:
        load(place / given)
    sentence = str(caught.value)
    assert sentence.startswith(f"expected a bundle; got {place / given}")
    assert told in sentence
    assert meant.format(place=place) in sentence
    assert "Errno" not in sentence
