"""Rows, curves and ranks: what was stored is read back the same, and what is wrong is not stored."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ncfjax.table
from ncfjax.store import run_id
from ncfjax.table import to_cells
from tests.store.tables import NAMES, a_curve, a_run, contents, fill, some_ranks, store_of


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


def test_the_bytes_of_a_files_name_are_text_where_they_can_be():
    """As Python started with LC_ALL=C reads them; a table is UTF-8 whatever they are."""
    note = b"\xc3\xa9 \xff".decode("ascii", "surrogateescape")
    assert to_cells({"note": str}, {"note": note}) == ["é \\xff"]


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


def test_rows_and_curves_are_read_once_until_they_change_and_are_the_readers_own(tmp_path, monkeypatch):
    store = fill(tmp_path, [1, 2])
    mine, curves = store.runs(), store.curves()
    mine["seed"] = 9
    read = ncfjax.table.Table.rows
    monkeypatch.setattr(ncfjax.table.Table, "rows", None)  # whoever reads the file again fails
    assert list(store.runs()["seed"]) == [1, 2]
    assert store.curves().equals(curves)
    monkeypatch.setattr(ncfjax.table.Table, "rows", read)
    fill(tmp_path, [1, 2, 3])  # by another process, say
    assert list(store.runs()["seed"]) == [1, 2, 3]
    assert set(store.curves()["run_id"]) == set(store.runs()["run_id"])
    path = tmp_path / "runs.csv"
    ncfjax.table.replace_whole(path, path.read_bytes().replace(b",dot,", b",gmf,"))  # as long as before
    assert set(store.runs()["model"]) == {"gmf"}


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


@pytest.mark.parametrize("ranks", [np.array([np.nan]), np.array([-1]), np.array([-0.5]), np.zeros((2, 2), int)])
def test_ranks_that_are_no_ranks_are_refused(tmp_path, ranks):
    with pytest.raises(ValueError, match="ranks 'full': expected non-negative int"):
        store_of(tmp_path).append(a_run(1), [], {"full": ranks})


def test_sums_of_errors_are_kept_beside_ranks_in_single_precision(tmp_path):
    store = store_of(tmp_path)
    store.append(a_run(1), [], {"squared": np.array([0.25, 3.0]), "count": np.array([1, 300])})
    kept = store.ranks(a_run(1)["run_id"])
    assert kept["squared"].dtype == np.float32 and kept["count"].dtype == np.uint16
    assert kept["squared"].tolist() == [0.25, 3.0] and kept["count"].tolist() == [1, 300]


def test_a_curve_of_another_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="another run_id"):
        store_of(tmp_path).append(a_run(1), [a_curve(1)[0] | {"run_id": "other"}], {})
