"""Disks that are full, read-only or slow: every row that was there stays, and a later append succeeds."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ncfjax.table import StoreError, replace_whole
from tests.store.tables import a_curve, a_run, contents, failing, fill, some_ranks, store_of


@pytest.mark.parametrize(
    ("name", "partial", "at"),  # ranks, curves, runs row; the folder of the ranks is synced too
    [
        *(("write", partial, at) for partial in (False, True) for at in range(3)),
        *(("fsync", False, at) for at in range(4)),
    ],
)
@pytest.mark.parametrize("stored", [0, 2])
def test_a_full_disk_leaves_every_row_and_a_later_append_succeeds(tmp_path, monkeypatch, stored, at, name, partial):
    store = fill(tmp_path / "study", range(stored))
    before = contents(tmp_path / "study") if stored else {}
    with monkeypatch.context() as patch:
        patch.setattr(os, name, failing(getattr(os, name), at, errno.ENOSPC, partial))
        with pytest.raises(StoreError, match="study: cannot write the results: .*No space left on device"):
            store.append(a_run(9), a_curve(9), some_ranks(9))
    assert (contents(tmp_path / "study") if stored else {}) == before
    assert len(store.completed()) == stored and not list((tmp_path / "study").rglob("*.part"))
    assert store.append(a_run(9), a_curve(9), some_ranks(9))
    assert contents(fill(tmp_path / "other", [*range(stored), 9]).folder) == contents(tmp_path / "study")


def test_a_write_that_the_system_cuts_short_is_continued(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:10]))
    fill(tmp_path / "cut", range(2))
    monkeypatch.undo()
    assert contents(tmp_path / "cut") == contents(fill(tmp_path / "whole", range(2)).folder)


def test_an_interrupt_leaves_a_run_whole_or_absent(tmp_path, monkeypatch):
    store = fill(tmp_path, range(2))
    before = contents(tmp_path)

    def interrupt(file):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.append(a_run(2), a_curve(2), some_ranks(2))
    assert contents(tmp_path) == before


def test_a_full_device_is_found_before_training(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    (tmp_path / ".probe").symlink_to("/dev/full")
    with pytest.raises(StoreError, match="No space left on device"):
        store_of(tmp_path).check_writable()


def test_a_file_in_place_of_the_folder_is_found_before_training(tmp_path):
    (tmp_path / "study").write_text("a file")
    for use in (store_of(tmp_path / "study").check_writable, store_of(tmp_path / "study").completed):
        with pytest.raises(StoreError, match="study: cannot (write|read) the results"):
            use()
    assert (tmp_path / "study").read_text() == "a file"


def test_a_read_only_folder_is_found_before_training_and_can_still_be_read(tmp_path, monkeypatch):
    fill(tmp_path, range(2))
    real = os.open

    def read_only(path, flags, *args, **more):  # tests may run as root, whom no permission stops
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, flags, *args, **more)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(StoreError, match="cannot write the results: .*Permission denied"):
        store_of(tmp_path).check_writable()
    assert len(store_of(tmp_path).runs()) == 2


def test_checking_leaves_no_table_and_no_probe_behind(tmp_path):
    store_of(tmp_path / "study").check_writable()
    assert [path.name for path in (tmp_path / "study").rglob("*") if path.is_file() and path.name != ".lock"] == []
    assert store_of(tmp_path / "study").completed() == set()


def test_ranks_that_were_never_stored_are_a_clear_error(tmp_path):
    with pytest.raises(StoreError, match="cannot read the results: .*unknown.npz"):
        store_of(tmp_path).ranks("unknown")


def test_writers_of_one_file_take_turns(tmp_path):
    """Each call locks anew, so that threads stand for the processes of two commands that draw one figure."""
    path, contents = tmp_path / "figure.png", [bytes([n]) * 50_000 for n in range(4)]
    with ThreadPoolExecutor(len(contents)) as pool:
        list(pool.map(lambda data: [replace_whole(path, data) for _ in range(25)], contents))
    assert path.read_bytes() in contents and list(tmp_path.iterdir()) == [path]
