"""Tables of older versions: read as they are, upgraded by the first writer, whole or not at all."""

import csv
import errno
import os
import shutil

import filelock
import pandas as pd
import pytest

import ncfjax.table
from ncfjax.store import Store
from ncfjax.table import StoreError
from tests.store.tables import (
    EPOCHS,
    a_curve,
    a_run,
    as_first_version,
    contents,
    failing,
    fill,
    fill_first_version,
    some_ranks,
    store_of,
)


def test_an_older_table_is_read_with_unknown_cells_and_left_as_it_is(tmp_path, monkeypatch):
    new = fill(tmp_path / "new", range(3)).runs()
    before = fill_first_version(tmp_path / "old", range(3))
    monkeypatch.setattr(filelock.FileLock, "acquire", pytest.fail)
    old = store_of(tmp_path / "old")
    pd.testing.assert_frame_equal(old.runs(), new)
    assert (old.runs()["layers"] == "").all() and old.runs()["epoch"].isna().all()
    assert old.completed() == set(new["run_id"])
    assert len(old.curves()) == 3 * EPOCHS
    assert (tmp_path / "old" / "runs.csv").read_bytes() == before


def test_a_committed_table_keeps_every_cell_when_a_run_is_added(tmp_path, committed_table, committed_store):
    with open(committed_table, newline="") as file:
        header, *rows = csv.reader(file)
    there = [name for name in ("runs.csv", "curves.csv") if committed_table.with_name(name).is_file()]
    for name in there:
        shutil.copy(committed_table.with_name(name), tmp_path / name)
    curves = [(tmp_path / name).read_bytes() for name in there[1:]]
    types = committed_store.columns
    assert Store(tmp_path, types).append(dict.fromkeys(types) | {"run_id": "new", "status": "completed"}, [], {})
    with open(tmp_path / "runs.csv", newline="") as file:
        *upgraded, added = csv.DictReader(file)
    assert tuple(upgraded[0]) == tuple(types) and added["run_id"] == "new"
    assert [[row[column] for column in header] for row in upgraded] == rows
    assert {row[column] for row in upgraded for column in set(types) - set(header)} <= {""}
    pd.testing.assert_frame_equal(Store(tmp_path, types).runs()[:-1], committed_store.runs())
    assert [(tmp_path / name).read_bytes() for name in there[1:]] == curves


def test_the_first_writer_adds_the_columns_and_changes_no_line_otherwise(tmp_path):
    fill(tmp_path / "new", range(4))
    fill_first_version(tmp_path / "old", range(3))
    assert store_of(tmp_path / "old").append(a_run(3), a_curve(3), some_ranks(3))
    for name in ("runs.csv", "curves.csv"):
        assert (tmp_path / "old" / name).read_bytes() == (tmp_path / "new" / name).read_bytes()
    assert not list((tmp_path / "old").rglob("*.part"))


def test_an_upgrade_keeps_doubled_rows_and_cells_with_commas_and_quotes(tmp_path):
    fill(tmp_path, [])
    store_of(tmp_path).append(a_run(0, note='ä, "b"'), [], {})
    as_first_version(tmp_path)
    with open(tmp_path / "runs.csv", "ab") as file:
        file.write((tmp_path / "runs.csv").read_bytes().splitlines(True)[1])
    store_of(tmp_path).check_writable()
    with open(tmp_path / "runs.csv", newline="") as file:
        assert [row["note"] for row in csv.DictReader(file)] == ['ä, "b"'] * 2


def test_curves_of_an_older_version_are_upgraded_too(tmp_path):
    fill(tmp_path, range(2))
    (tmp_path / "curves.csv").write_text("run_id,epoch,value\n0000000000000000,1,0.5\n")
    assert store_of(tmp_path).curves()["metric"].tolist() == [""]
    store_of(tmp_path).check_writable()
    assert (tmp_path / "curves.csv").read_text() == "run_id,epoch,metric,value\n0000000000000000,1,,0.5\n"


def test_an_older_table_beside_a_foreign_one_is_left_alone(tmp_path):
    before = fill_first_version(tmp_path, range(2))
    (tmp_path / "curves.csv").write_text("dear diary\n")
    with pytest.raises(StoreError, match="curves.csv:1"):
        store_of(tmp_path).check_writable()
    assert (tmp_path / "runs.csv").read_bytes() == before


@pytest.mark.slow
def test_an_older_table_torn_anywhere_is_repaired_and_upgraded(tmp_path):
    fill(tmp_path / "new", range(3))
    expected = contents(tmp_path / "new")
    shutil.copytree(tmp_path / "new", tmp_path / "old")
    whole = as_first_version(tmp_path / "old")
    for size in range(0, len(whole), 17):
        folder = tmp_path / str(size)
        shutil.copytree(tmp_path / "old", folder)
        (folder / "runs.csv").write_bytes(whole[:size])
        fill(folder, range(3))
        assert contents(folder) == expected, size


def test_a_reader_follows_a_table_that_another_process_upgrades(tmp_path):
    fill_first_version(tmp_path, range(3))
    reader, writer = store_of(tmp_path), store_of(tmp_path)
    assert len(reader.completed()) == 3
    writer.append(a_run(3, layers="8-4"), a_curve(3), {})
    assert len(reader.completed()) == 4
    writer.append(a_run(4, layers="8-4"), a_curve(4), {})
    assert len(reader.completed()) == 5
    assert reader.append(a_run(5, layers="8-4"), a_curve(5), {})
    assert store_of(tmp_path).runs()["layers"].tolist() == ["", "", ""] + ["8-4"] * 3


@pytest.mark.parametrize(("module", "name", "num_seen"), [(ncfjax.table, "open", 4), (os, "fstat", 3)])
def test_an_upgrade_in_the_midst_of_a_reading_mixes_no_two_tables(tmp_path, monkeypatch, module, name, num_seen):
    """A reader knows the old table up to a row; then columns and a row are added just before, or after, it opens it."""
    fill_first_version(tmp_path, range(3))
    reader, function = store_of(tmp_path), getattr(module, name, open)
    assert len(reader.completed()) == 3

    def late(*args):
        patch.undo()
        store_of(tmp_path).append(a_run(3), a_curve(3), {})
        return function(*args)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, late, raising=False)
        assert len(reader.completed()) == num_seen
    assert reader.completed() == store_of(tmp_path).completed()
    assert len(reader.completed()) == 4


@pytest.mark.parametrize(("name", "partial"), [("write", False), ("write", True), ("fsync", False), ("replace", False)])
def test_a_disk_that_fails_in_an_upgrade_leaves_the_old_table(tmp_path, monkeypatch, name, partial):
    before = fill_first_version(tmp_path, range(3))
    store = store_of(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, name, failing(getattr(os, name), 0, errno.ENOSPC, partial))
        with pytest.raises(StoreError, match="cannot write the results: .*No space left on device"):
            store.append(a_run(3), a_curve(3), {})
    assert (tmp_path / "runs.csv").read_bytes() == before and not list(tmp_path.rglob("*.part"))
    assert len(store.completed()) == 3
    assert store.append(a_run(3), a_curve(3), {}) and len(store_of(tmp_path).runs()) == 4
