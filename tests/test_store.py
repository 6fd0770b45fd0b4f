"""The store against its promises: whole rows or none, whatever kills, fills or shares the folder."""

import csv
import errno
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import filelock
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ncfjax.table
from ncfjax.store import ORIGIN_COLUMNS, Store, run_id
from ncfjax.table import StoreError, to_cells

ROOT = Path(__file__).parents[1]
EPOCHS = 5
# A table as a kind of run might have it: texts, whole numbers and floats.
COLUMNS = {
    "run_id": str, "status": str, "phase": str, "note": str, "model": str, "embedding_dim": int, "layers": str,
    "regularize_weights": str, "reject_positives": str, "pretraining": str, "learning_rate": float,
    "regularization": float, "seed": int, "num_epochs": int, "select_epoch": str, "epoch": int, "ndcg@10": float,
    "mrr": float, "full_mrr": float, **ORIGIN_COLUMNS,
}  # fmt: skip
NAMES = tuple(COLUMNS)


def store_of(folder: Path) -> Store:
    return Store(folder, COLUMNS)


def a_run(seed: int, /, **changed) -> dict:
    """A row in which every value can be told from its seed."""
    row = dict.fromkeys(COLUMNS) | {"run_id": f"{seed:016x}", "status": "completed", "seed": seed}
    return row | {"model": "dot", "ndcg@10": seed / 3, "command": f'sweep "grid.seed={seed},"'} | changed


def a_curve(seed: int) -> list[dict]:
    return [{"epoch": epoch, "metric": "ndcg@10", "value": seed + epoch / 7} for epoch in range(EPOCHS)]


def some_ranks(seed: int) -> dict[str, np.ndarray]:
    return {"sampled": np.arange(seed, seed + 4), "full": np.arange(4) * seed}


def fill(folder: Path, seeds) -> Store:
    store = store_of(folder)
    for seed in seeds:
        if f"{seed:016x}" not in store.completed():
            store.append(a_run(seed), a_curve(seed), some_ranks(seed))
    return store


def contents(folder: Path) -> dict[str, list[bytes] | bytes]:
    """Everything a reader can see: the tables as sorted lines, the ranks as bytes."""
    tables = {name: sorted((folder / name).read_bytes().splitlines()) for name in ("runs.csv", "curves.csv")}
    return tables | {path.name: path.read_bytes() for path in (folder / "ranks").glob("*.npz")}


# ---- reading back


def test_what_was_appended_reads_back_the_same(tmp_path):
    run = a_run(7, learning_rate=0.1 + 0.2, regularization=1e-300, embedding_dim=16, note='ä, "b"\nc', full_mrr=np.nan)
    assert store_of(tmp_path).append(run, a_curve(7), some_ranks(7))
    row = store_of(tmp_path).runs().iloc[0]
    assert row["run_id"] == "0000000000000007"
    assert row["learning_rate"] == 0.1 + 0.2 and row["regularization"] == 1e-300
    assert row["embedding_dim"] == 16 and row["note"] == 'ä, "b" c'
    assert np.isnan(row["full_mrr"]) and row["device"] == ""
    assert [tuple(point) for point in store_of(tmp_path).curves().to_numpy()] == [
        (run["run_id"], p["epoch"], p["metric"], p["value"]) for p in a_curve(7)
    ]
    for name, ranks in some_ranks(7).items():
        np.testing.assert_array_equal(store_of(tmp_path).ranks(run["run_id"])[name], ranks)


@given(st.floats(allow_nan=False))
def test_a_float_survives_its_cell_bit_by_bit(value):
    assert float(to_cells({"x": float}, {"x": value})[0]).hex() == value.hex()


def test_numpy_scalars_are_written_as_plain_numbers():
    cells = to_cells({"x": float, "n": int}, {"x": np.float32(0.5), "n": np.int64(3)})
    assert cells == ["0.5", "3"]


def test_columns_have_one_dtype_with_and_without_rows(tmp_path):
    empty = store_of(tmp_path / "none").runs().dtypes
    assert tuple(empty.index) == NAMES
    assert (fill(tmp_path, range(2)).runs().dtypes == empty).all()
    assert empty["seed"] == "Int64" and empty["mrr"] == "float64"
    assert not (tmp_path / "none").exists()


def test_a_run_id_of_digits_only_stays_text(tmp_path):
    store_of(tmp_path).append(a_run(0, run_id="0012345678901234", commit="1234e56"), [], {})
    row = store_of(tmp_path).runs().iloc[0]
    assert (row["run_id"], row["commit"]) == ("0012345678901234", "1234e56")


def test_ranks_take_the_smallest_unsigned_integers(tmp_path):
    store_of(tmp_path).append(a_run(1), [], {"sampled": np.array([0, 99]), "full": np.array([3705, 256])})
    ranks = store_of(tmp_path).ranks(a_run(1)["run_id"])
    assert (ranks["sampled"].dtype, ranks["full"].dtype) == (np.uint8, np.uint16)


def test_a_run_that_is_there_is_not_written_again(tmp_path):
    store = fill(tmp_path, range(3))
    before = contents(tmp_path)
    assert not store.append(a_run(1, status="diverged"), a_curve(1), {})
    assert not store_of(tmp_path).append(a_run(1), a_curve(1), some_ranks(2))
    assert contents(tmp_path) == before


def test_only_what_others_appended_is_read_again(tmp_path, monkeypatch):
    ours, theirs, starts = store_of(tmp_path), store_of(tmp_path), []
    read = ncfjax.table.Table._read
    fill(tmp_path, range(2))
    ours.completed()
    monkeypatch.setattr(
        ncfjax.table.Table, "_read", lambda self, file, start: starts.append(start) or read(self, file, start)
    )
    size = (tmp_path / "runs.csv").stat().st_size
    for seed in range(2, 5):
        ours.append(a_run(seed), [], {})
    assert [start for start in starts if start > 0] == []
    theirs.append(a_run(5), [], {})
    starts.clear()
    assert len(ours.completed()) == 6
    assert len(starts) == 1 and starts[0] > size


def test_a_table_that_was_replaced_is_read_anew(tmp_path):
    ours = fill(tmp_path / "ours", range(2))
    theirs = fill(tmp_path / "theirs", range(5, 9))
    os.replace(theirs.folder / "runs.csv", ours.folder / "runs.csv")
    assert ours.completed() == {f"{seed:016x}" for seed in range(5, 9)}


# ---- run_id


def test_run_id_ignores_order_and_spelling_but_no_value():
    config = {"grid": {"learning_rate": 0.002, "regularization": 0}, "layers": [8, 4]}
    same = {"layers": (8, 4), "grid": {"regularization": 0.0, "learning_rate": np.float64(0.002)}}
    assert run_id(config) == run_id(same)
    others = [config | {"layers": [4, 8]}, config | {"grid": {"learning_rate": 0.002}}, config | {"note": None}]
    assert len({run_id(other) for other in [config, *others]}) == 4


def test_run_id_does_not_change_between_versions():
    assert run_id({"model": "dot", "seed": 1}) == "454ffbe59870e294"


@pytest.mark.parametrize("value", [float("nan"), {1}, object()])
def test_run_id_refuses_what_has_no_canonical_form(value):
    with pytest.raises(ValueError, match=r"config\.grid\.stddev: expected a finite number"):
        run_id({"grid": {"stddev": value}})


# ---- wrong rows


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({k: v for k, v in a_run(1).items() if k != "seed"}, "missing columns \\['seed'\\]"),
        (a_run(1) | {"ndgc@10": 0.1}, "unknown columns \\['ndgc@10'\\]"),
        (a_run(1, seed="one"), "column 'seed': expected int, got 'one'"),
        (a_run(1, embedding_dim=16.5), "column 'embedding_dim': expected int"),
        (a_run(1, mrr="high"), "column 'mrr': expected float"),
        (a_run(1, run_id="../x"), "run_id: expected letters"),
        (a_run(1, run_id=None), "run_id: expected letters"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_written(tmp_path, row, message):
    with pytest.raises(ValueError, match=message):
        store_of(tmp_path / "study").append(row, [], {})
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize("ranks", [np.array([0.5]), np.array([-1]), np.zeros((2, 2), int)])
def test_ranks_that_are_no_ranks_are_refused(tmp_path, ranks):
    with pytest.raises(ValueError, match="ranks 'full': expected non-negative int"):
        store_of(tmp_path).append(a_run(1), [], {"full": ranks})


def test_a_curve_of_another_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="another run_id"):
        store_of(tmp_path).append(a_run(1), [a_curve(1)[0] | {"run_id": "other"}], {})


# ---- files that are not ours, or not whole


@pytest.mark.parametrize(
    "text",
    [
        ",".join((*NAMES, "novelty")) + "\n",  # a newer version
        ",".join((*NAMES[:9], "novelty", *NAMES[12:])) + "\n",
        ",".join(reversed(NAMES)) + "\n",
        ",".join(NAMES[1:]) + "\n",  # its rows could not be told apart
        ",".join((*NAMES, "seed")) + "\n",
        ",".join(NAMES[1:3]),  # not a torn header either
        ",".join(NAMES[:-1]) + "\n" + "x," * (len(NAMES) - 1) + "x\n",  # a cell too many
        ",".join(NAMES) + "\n<<<<<<< HEAD\n",
        ",".join(NAMES) + "\n\udcff," + "," * (len(NAMES) - 2) + "\n",
        "dear diary",
        "\n",
        "\udcff\udcfe\x00" * 100_000,
    ],
)
def test_a_foreign_file_is_refused_and_left_alone(tmp_path, text):
    path = tmp_path / "runs.csv"
    path.write_bytes(text.encode(errors="surrogateescape"))
    before = path.read_bytes()
    for use in (store_of(tmp_path).completed, store_of(tmp_path).check_writable, store_of(tmp_path).runs):
        with pytest.raises(StoreError, match="runs.csv.*expected .*got"):
            use()
    with pytest.raises(StoreError, match="runs.csv.*expected .*got"):
        store_of(tmp_path).append(a_run(1), a_curve(1), some_ranks(1))
    assert path.read_bytes() == before
    assert not (tmp_path / "curves.csv").exists()


def test_a_foreign_table_is_told_apart_by_its_columns(tmp_path):
    (tmp_path / "runs.csv").write_text(",".join([c for c in NAMES if c != "phase"] + ["fase"]) + "\n")
    with pytest.raises(StoreError, match=r"missing \['phase'\], unknown \['fase'\]"):
        store_of(tmp_path).completed()


def test_windows_line_ends_and_blank_lines_are_read(tmp_path):
    fill(tmp_path, range(2))
    path = tmp_path / "runs.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    store = fill(tmp_path, range(3))
    assert list(store.runs()["seed"]) == [0, 1, 2]


@pytest.mark.slow
def test_every_torn_end_is_repaired(tmp_path):
    fill(tmp_path / "whole", range(3))
    expected, whole = contents(tmp_path / "whole"), {}
    for name in ("runs.csv", "curves.csv"):
        whole[name] = (tmp_path / "whole" / name).read_bytes()
    for name, step in (("runs.csv", 13), ("curves.csv", 23)):
        for size in range(0, len(whole[name]), step):
            folder = tmp_path / f"{name}-{size}"
            shutil.copytree(tmp_path / "whole", folder)
            (folder / name).write_bytes(whole[name][:size])
            if name == "curves.csv":  # curves are whole before their run's row is written
                ends = [i for i, line in enumerate(whole[name][:size].split(b"\n")[1:-1], 1) if i % EPOCHS == 0]
                rows = whole["runs.csv"].split(b"\n")[: 1 + len(ends)]
                (folder / "runs.csv").write_bytes(b"".join(row + b"\n" for row in rows))
            fill(folder, range(3))
            assert contents(folder) == expected, (name, size)


def test_curves_without_a_run_are_neither_read_nor_kept(tmp_path):
    store = fill(tmp_path, range(3))
    path = tmp_path / "runs.csv"
    path.write_bytes(b"".join(line for line in path.read_bytes().splitlines(True) if b"0001,completed" not in line))
    assert set(store_of(tmp_path).curves()["run_id"]) == {"0000000000000000", "0000000000000002"}
    assert store.append(a_run(1), [], {})
    assert Counter(store.curves()["run_id"]) == {"0000000000000000": EPOCHS, "0000000000000002": EPOCHS}


def test_a_cell_that_is_no_number_is_named(tmp_path):
    store = fill(tmp_path, range(2))
    path = tmp_path / "runs.csv"
    path.write_text(path.read_text().replace(",0.3333333333333333,", ",a third,"))
    with pytest.raises(StoreError, match="runs.csv: column 'ndcg@10': expected float, got .*'a third'"):
        store.runs()


def test_a_row_that_a_merge_doubled_counts_once(tmp_path):
    store = fill(tmp_path, range(2))
    with open(tmp_path / "runs.csv", "ab") as file:
        file.write((tmp_path / "runs.csv").read_bytes().splitlines(True)[1])
    assert list(store.runs()["seed"]) == [0, 1]


# ---- tables of older versions

SINCE_THE_FIRST_VERSION = ("layers", "regularize_weights", "reject_positives", "pretraining", "select_epoch", "epoch")
FIRST_VERSION = [column for column in NAMES if column not in SINCE_THE_FIRST_VERSION]


def as_first_version(folder: Path) -> bytes:
    """Cuts runs.csv to the columns of the first version, and returns it."""
    with open(folder / "runs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(folder / "runs.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, FIRST_VERSION, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return (folder / "runs.csv").read_bytes()


def fill_first_version(folder: Path, seeds) -> bytes:
    fill(folder, seeds)
    return as_first_version(folder)


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
    for name in ("runs.csv", "curves.csv"):
        shutil.copy(committed_table.with_name(name), tmp_path / name)
    curves = (tmp_path / "curves.csv").read_bytes()
    types = committed_store.columns
    assert Store(tmp_path, types).append(dict.fromkeys(types) | {"run_id": "new", "status": "completed"}, [], {})
    with open(tmp_path / "runs.csv", newline="") as file:
        *upgraded, added = csv.DictReader(file)
    assert tuple(upgraded[0]) == tuple(types) and added["run_id"] == "new"
    assert [[row[column] for column in header] for row in upgraded] == rows
    assert {row[column] for row in upgraded for column in set(types) - set(header)} <= {""}
    pd.testing.assert_frame_equal(Store(tmp_path, types).runs()[:-1], committed_store.runs())
    assert (tmp_path / "curves.csv").read_bytes() == curves


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


# ---- disks that fail


def failing(function, at: int, error: int, partial: bool = False):
    """`function`, whose call number `at` fails; a write may have taken half of its data by then."""
    calls = iter(range(10_000))

    def call(file, *args):
        if next(calls) != at:
            return function(file, *args)
        if partial:
            function(file, args[0][: len(args[0]) // 2])
        raise OSError(error, os.strerror(error))

    return call


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


# ---- kills

_CHILD = f"""
import os, random, signal, sys, time
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from pathlib import Path
from test_store import fill

def killed_at_call(folder, seeds, number):
    "Forks a writer whose system call `number` is torn in half and is its last; True if it came that far."
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    calls = iter(range(1_000_000))
    def torn(function, tear):
        def call(*args, **more):
            if next(calls) == number:
                tear(*args)
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **more)
        return call
    write, nothing = os.write, lambda *args: None
    os.write = torn(write, lambda file, data: write(file, data[: len(data) // 2]))
    for name in ("fsync", "replace", "truncate"):
        setattr(os, name, torn(getattr(os, name), nothing))
    fill(folder, seeds)
    os._exit(0)

def killed_after(folder, seeds, seconds):
    child = os.fork()
    if child == 0:
        fill(folder, seeds)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
"""


def in_subprocess(script: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD + script, folder], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_kill_at_any_system_call_and_a_rerun_give_the_same_tables(tmp_path):
    script = """
number = 0
while killed_at_call(Path(sys.argv[1]) / str(number), range(3), number):
    fill(Path(sys.argv[1]) / str(number), range(3))
    number += 1
print(number)
"""
    num_calls = int(in_subprocess(script, tmp_path / "killed"))
    expected = contents(fill(tmp_path / "whole", range(3)).folder)
    assert num_calls >= 3 * 7
    for number in range(num_calls):
        assert contents(tmp_path / "killed" / str(number)) == expected, number
        assert not list((tmp_path / "killed" / str(number)).rglob("*.part"))


@pytest.mark.slow
def test_a_kill_at_any_system_call_of_an_upgrade_leaves_the_old_table_or_the_new_one(tmp_path):
    before = fill_first_version(tmp_path / "old", range(3))
    script = """
import shutil
number, folder = 0, Path(sys.argv[1])
while True:
    shutil.copytree(folder.parent / "old", folder / str(number))
    if not killed_at_call(folder / str(number), range(4), number):
        break
    shutil.copy(folder / str(number) / "runs.csv", folder / f"{number}.csv")
    fill(folder / str(number), range(4))
    number += 1
print(number)
"""
    (tmp_path / "killed").mkdir()
    num_calls = int(in_subprocess(script, tmp_path / "killed"))
    expected = contents(fill(tmp_path / "whole", range(4)).folder)
    upgraded = (fill(tmp_path / "three", range(3)).folder / "runs.csv").read_bytes()
    left = [(tmp_path / "killed" / f"{number}.csv").read_bytes() for number in range(num_calls)]
    assert left[0] == before and all(table == before or table.startswith(upgraded) for table in left)
    assert sum(table == before for table in left) >= 3
    for number in range(num_calls):
        assert contents(tmp_path / "killed" / str(number)) == expected, number
        assert not list((tmp_path / "killed" / str(number)).rglob("*.part"))


@pytest.mark.slow
def test_kills_at_random_moments_and_reruns_give_the_same_tables(tmp_path):
    script = """
random.seed(0)
folder, stored = Path(sys.argv[1]), 0
for kill in range(30):  # each in the midst of more runs than any disk stores in 0.05 s
    assert killed_after(folder, range(stored, stored + 10_000), random.uniform(0.0, 0.05))
    stored = len(fill(folder, []).completed())
fill(folder, range(stored + 3))
print(stored + 3)
"""
    num_runs = int(in_subprocess(script, tmp_path / "killed"))
    assert num_runs > 3
    assert contents(tmp_path / "killed") == contents(fill(tmp_path / "whole", range(num_runs)).folder)


@pytest.mark.slow
@pytest.mark.parametrize("is_old", [False, True])
def test_two_writers_and_a_killed_third_share_one_study(tmp_path, is_old):
    if is_old:
        fill_first_version(tmp_path / "shared", range(20))
    script = """
folder, writers = Path(sys.argv[1]), []
for seeds in (range(100), range(50, 150)):
    writers.append(os.fork())
    if writers[-1] == 0:
        fill(folder, seeds)
        os._exit(0)
for kill in range(10):
    killed_after(folder, range(150, 160), 0.03)
assert [os.waitpid(writer, 0)[1] for writer in writers] == [0, 0]
fill(folder, range(160))
"""
    in_subprocess(script, tmp_path / "shared")
    assert contents(tmp_path / "shared") == contents(fill(tmp_path / "whole", range(160)).folder)
