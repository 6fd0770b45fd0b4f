"""Bad files at the command line: one message with file, line, expected and got; nothing is fitted or written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments import ratings

GENRES, MOVIES = "Comedy|0\nWar|1\n", "10|A (1990)|||x|1|0\n31|B (2000)|||x|0|1\n"
U_DATA = "2\t10\t5\t300\n1\t10\t3\t100\n1\t31\t4\t200\n"
ML_100K = {"u.data": U_DATA, "u1.base": U_DATA[:22], "u1.test": U_DATA[22:], "u.item": MOVIES, "u.genre": GENRES}
OFFICIAL = ("dataset=ml-100k", "folds=official")
CONTENT = ("dataset=ml-100k", "folds=share", "folds.share=0.4", "method=content_based")


@pytest.mark.parametrize(
    ("files", "arguments", "message"),
    [
        ({"u.data": U_DATA + "3\t31\t6\t400\n"}, OFFICIAL,
         "u.data:4: expected a rating on the scale 1 to 5 in steps of 1, got 6"),
        ({"u1.test": U_DATA[11:]}, OFFICIAL,
         "u1.base:2: expected a pair that is not in {folder}/u1.test, got user 1, item 10"),
        ({"u.item": MOVIES.splitlines()[0]}, CONTENT, "u.item: expected a line for every rated item, got none for 31"),
        ({"u.item": "10|A (1990)|||x|2|0\n"}, CONTENT, "u.item:1: expected 0 or 1 for each genre, got '2'"),
        ({"combined_data_1.txt": "20,5,2005-01-02\n"}, ("dataset=netflix", "folds=share"),
         "combined_data_1.txt:1: expected the header of a movie, such as 1:, before its rows, got '20,5,2005-01-02'"),
        ({"combined_data_1.txt": "3:\n2649430,5,2005-01-02\n"}, ("dataset=netflix", "folds=share"),
         "combined_data_1.txt:2: expected a user id in 1..2649429, got '2649430,5,2005-01-02'"),
        ({"combined_data_1.txt": "3:\n20,5,2005-02-30\n"}, ("dataset=netflix", "folds=share"),
         "combined_data_1.txt:2: expected a date YYYY-MM-DD from 1970 to 2058, got '20,5,2005-02-30'"),
        ({}, ("dataset=ml-100k", "folds=cold_items", "folds.share=0.01"),
         "cold_items: expected a share that is some and not all, got 0.01 of 2, which is 0"),
    ],
    ids=["off the scale", "overlapping folds", "an item without features", "no genre", "no header", "user id",
         "no date", "empty cold split"],
)  # fmt: skip
def test_bad_files_end_the_command_with_one_message(
    files: dict[str, str], arguments: tuple[str, ...], message: str, tmp_path: Path, results: Path,
    run_entry: Callable[..., int], capfd: pytest.CaptureFixture,
):  # fmt: skip
    for name, text in (ML_100K | files).items():
        (tmp_path / name).write_text(text)
    assert run_entry(ratings, *arguments, f"data_dir={tmp_path}", f"results_dir={results}") == 2
    said = capfd.readouterr()
    assert message.format(folder=tmp_path) in said.err and "Traceback" not in said.err
    assert not list(results.glob("**/runs.csv"))
