"""Which files are read, and which would never end."""

import os

import pytest

from zoo.support.files import regular


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_what_would_never_end_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        with pytest.raises(OSError, match=f"not a regular file.*{name}"):
            regular(tmp_path / name)


def test_a_folder_and_a_file_that_is_too_large_are_not_read(tmp_path):
    (tmp_path / "file").write_bytes(bytes((1 << 20) + 1))
    assert regular(tmp_path / "file") == tmp_path / "file"
    with pytest.raises(OSError, match="larger than 1 MiB"):
        regular(tmp_path / "file", 1 << 20)
    with pytest.raises(IsADirectoryError):
        regular(tmp_path)
