"""Files replaced at one stroke, and what killed runs leave."""

import errno
import os
from pathlib import Path

import pytest
from support.tags import refused, write

from earmark.library.tags.safe_replace import make_draft, remove_drafts


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EIO])
def test_where_a_file_cannot_be_renamed_it_stays(put, journal, monkeypatch, number):
    path = put(".mp3")

    def fail(self, target):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "replace", fail)
    refused(journal, path, os.strerror(number) + ": left as it was")


def test_attributes_and_owner_stay(put, journal):
    path = put(".mp3")
    try:
        os.setxattr(path, "user.mood", b"blue")
    except (OSError, AttributeError):
        pytest.skip("no extended attributes here")
    if os.geteuid() == 0:
        os.chown(path, 1234, 1235)
    owner = (path.stat().st_uid, path.stat().st_gid)
    write(journal, path, "Jazz")
    assert os.getxattr(path, "user.mood") == b"blue"
    assert (path.stat().st_uid, path.stat().st_gid) == owner


def test_only_drafts_that_nobody_uses_are_removed(put):
    path = put(".mp3")
    left = path.with_name(".earmark-draft-" + "0" * 32 + ".mp3")
    others = [path.with_name(name) for name in (".earmark-draft-mine.mp3", ".earmark-draft-" + "0" * 31, ".hidden")]
    for file in (left, *others):
        file.write_bytes(b"")
    with make_draft(path) as draft:
        assert remove_drafts(path.parent) == 1
        assert draft.exists()
        assert not left.exists()
    assert all(file.exists() for file in others)
    assert remove_drafts(path.parent / "nowhere") == 0
