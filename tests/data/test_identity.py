"""What identifies a data set before it is read, and what rows call it."""

import gzip
import shutil
from pathlib import Path

import pytest

from experiments.engine.config import CONF
from ncfjax.data.catalog import CATALOG, TAKEN, csv_name, load, ncf_name
from ncfjax.data.content import Content
from ncfjax.data.identity import content_of, rating_content

PARTS = {"train.rating": "0\t1\t5\t30\n0\t0\t4\t20\n1\t2\t3\t40\n", "test.rating": "0\t2\t5\t31\n1\t3\t4\t41\n"}
NEGATIVE = "(0,2)\t3\n(1,3)\t0\n"


def write_ncf(prefix: Path, **changed: str) -> Path:
    prefix.parent.mkdir(exist_ok=True)
    for part, content in (PARTS | changed).items():
        Path(f"{prefix}.{part}").write_text(content)
    return prefix


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("ratings.csv", "ratings"),
        ("ratings.2020.csv", "ratings.2020"),
        ("ratings.2021.csv.gz", "ratings.2021"),
        ("ratings.2021", "ratings.2021"),
        ("RATINGS.CSV", "RATINGS"),
        ("ml-1m.csv", "ml-1m.csv"),
        ("ML-1M.csv.gz", "ML-1M.csv"),
        ("synthetic.csv", "synthetic.csv"),
        ("worked-example.tsv", "worked-example.tsv"),
    ],
)
def test_a_table_is_called_after_its_file_and_never_like_a_data_set_with_a_name(file: str, name: str):
    assert csv_name(Path("folder") / file) == name


def test_the_names_that_are_taken_are_all_there_are():
    assert sorted(TAKEN) == sorted(path.stem for path in (CONF / "dataset").glob("*.yaml"))


def test_files_in_the_format_of_ncf_are_ml_1m_only_by_content(tmp_path: Path):
    assert ncf_name(write_ncf(tmp_path / "mine")) == "mine"
    assert ncf_name(write_ncf(tmp_path / "ml-1m")) == "ml-1m.ncf"
    assert load("ncf", prefix=tmp_path / "ml-1m", num_negatives=1).name == "ml-1m.ncf"


@pytest.mark.realdata
def test_the_files_of_ml_1m_are_ml_1m_wherever_they_lie(tmp_path: Path, real_data: Path):
    for file in CATALOG["ml-1m"].files:
        shutil.copy(real_data / f"{file.name}.gz", tmp_path)
    assert ncf_name(tmp_path / "ml-1m") == "ml-1m"


def test_a_users_own_files_are_identified_by_content_alone(tmp_path: Path):
    one, same = (write_ncf(tmp_path / folder / "mine") for folder in ("a", "b"))
    content = content_of("ncf", prefix=one)
    assert content.digest == content.other != "" and content_of("ncf", prefix=same) == content
    for part in PARTS:
        Path(f"{same}.{part}.gz").write_bytes(gzip.compress(PARTS[part].encode()))
        Path(f"{same}.{part}").unlink()
    assert content_of("ncf", prefix=same) == content
    Path(f"{same}.test.negative").write_text(NEGATIVE)
    assert content_of("ncf", prefix=same) != content
    assert content_of("csv", path=f"{one}.train.rating").other not in ("", content.other)
    assert content_of("csv", path=tmp_path / "nowhere") == content_of("ncf", prefix=tmp_path / "x") == Content()


def test_a_file_that_is_there_twice_and_differs_is_refused(tmp_path: Path):
    prefix = write_ncf(tmp_path / "mine")
    packed = Path(f"{prefix}.test.rating.gz")
    packed.write_bytes(gzip.compress(PARTS["test.rating"].encode()))
    content_of("ncf", prefix=prefix)
    packed.write_bytes(gzip.compress(b"0\t3\t5\t31\n1\t3\t4\t41\n"))
    with pytest.raises(ValueError, match=r"mine.test.rating: expected mine.test.rating.gz beside it to be the same"):
        content_of("ncf", prefix=prefix)


def test_files_with_a_known_name_are_identified_by_content_where_it_is_another(tmp_path: Path):
    assert content_of("ml-100k", data_dir=tmp_path) == Content()  # will be downloaded
    (tmp_path / "u.data").write_text("1\t7\t5\t100\n")
    content = content_of("ml-100k", data_dir=tmp_path)
    assert content.digest == content.other != ""
    ratings = rating_content("ml-100k", data_dir=tmp_path)
    assert ratings == content and rating_content("ml-100k", data_dir=tmp_path, fold=1) != Content()


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["ml-1m", "pinterest-u37501", "ml-100k", "netflix-excerpt"])
def test_the_files_that_the_committed_rows_were_made_from_are_known(real_data: Path, name: str):
    content = content_of(name, data_dir=real_data)
    assert content.digest != "" and content.other == ""


@pytest.mark.realdata
def test_so_are_folds_and_what_is_known_of_items(real_data: Path, tmp_path: Path):
    usual = rating_content("ml-100k", data_dir=real_data)
    for fold in range(1, 6):
        assert rating_content("ml-100k", data_dir=real_data, fold=fold, with_items=True) == usual
    assert rating_content("ml-1m", data_dir=real_data, with_items=True).other == ""
    folder = shutil.copytree(real_data / "ml-100k", tmp_path / "ml-100k")
    (folder / "u1.test.gz").write_bytes(gzip.compress(b"1\t6\t5\t887431973\n"))
    changed = rating_content("ml-100k", data_dir=tmp_path, fold=1)
    assert changed.digest == usual.digest and changed.other != ""
    assert rating_content("ml-100k", data_dir=tmp_path, fold=2) == usual
