"""Files that are not ours, or not whole."""

import re
import shutil
from collections import Counter

import pandas as pd
import pytest

from ncfjax.table import StoreError
from tests.store.tables import EPOCHS, NAMES, a_curve, a_run, contents, fill, some_ranks, store_of


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


@pytest.mark.parametrize("column", ["seed", "status", "model"])
def test_a_table_without_what_tells_its_rows_apart_is_no_older_one(tmp_path, column):
    fill(tmp_path, range(3))
    rows = pd.read_csv(tmp_path / "runs.csv", dtype=str)
    rows.drop(columns=column).to_csv(tmp_path / "runs.csv", index=False)
    with pytest.raises(
        StoreError, match=rf"runs.csv:1: expected the columns .*\(missing \['{column}'\], unknown \[\]\)"
    ):
        store_of(tmp_path).runs()


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (b"one", "column 'seed': expected int, got 'one'"),
        (b"9" * 20, "column 'seed': expected int, got '99999999999999999999'"),
        (b'"1', f"expected {len(NAMES)} cells, got a quote that is not closed"),
        (b"\xfc", "expected UTF-8, got invalid start byte"),
    ],
)
def test_what_is_wrong_with_a_row_is_told_with_its_line(tmp_path, cell, message):
    fill(tmp_path, range(4))
    head, *rows = (tmp_path / "runs.csv").read_bytes().splitlines(keepends=True)
    rows[1], rows[3] = (
        row.replace(f",{seed},".encode(), b"," + cell + b",", 1) for seed, row in ((1, rows[1]), (3, rows[3]))
    )
    (tmp_path / "runs.csv").write_bytes(b"".join([head, b"\n", *rows]))
    with pytest.raises(StoreError, match=re.escape(f"runs.csv:4: {message}")):
        store_of(tmp_path).runs()


def test_a_header_between_rows_is_told_with_its_line(tmp_path):
    fill(tmp_path, range(2))
    table = (tmp_path / "runs.csv").read_bytes()
    (tmp_path / "runs.csv").write_bytes(table + table)
    with pytest.raises(StoreError, match="runs.csv:4: column 'embedding_dim': expected int, got 'embedding_dim'"):
        store_of(tmp_path).runs()


def test_rows_of_a_run_that_is_there_before_are_counted(tmp_path):
    head, *rows = (fill(tmp_path, range(3)).folder / "runs.csv").read_bytes().splitlines(keepends=True)
    (tmp_path / "runs.csv").write_bytes(b"".join([head, *rows, *rows[:2]]))
    assert store_of(tmp_path).num_repeated == 2 and len(store_of(tmp_path).runs()) == 3


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs\n", b"PK\x03\x04", b"whole"])
def test_ranks_that_are_damaged_are_told_by_their_file(tmp_path, content):
    path = next((fill(tmp_path, [1]).folder / "ranks").iterdir())
    whole = path.read_bytes()
    damaged = whole[:40] + bytes([whole[40] ^ 255]) + whole[41:-20]
    path.write_bytes(damaged if content == b"whole" else content)
    with pytest.raises(StoreError, match=rf"{path}: expected arrays as NumPy saves them, got .*; it is damaged"):
        store_of(tmp_path).ranks(path.stem)


def test_an_array_that_a_file_of_ranks_lacks_is_told(tmp_path):
    ranks = fill(tmp_path, [1]).ranks(a_run(1)["run_id"])
    with pytest.raises(
        StoreError, match=f"ranks/{a_run(1)['run_id']}.npz: expected the array dot_full, got sampled, full"
    ):
        ranks["dot_full"]


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
    with pytest.raises(StoreError, match="runs.csv:3: column 'ndcg@10': expected float, got 'a third'"):
        store.runs()


def test_a_row_that_a_merge_doubled_counts_once(tmp_path):
    store = fill(tmp_path, range(2))
    with open(tmp_path / "runs.csv", "ab") as file:
        file.write((tmp_path / "runs.csv").read_bytes().splitlines(True)[1])
    assert list(store.runs()["seed"]) == [0, 1]
