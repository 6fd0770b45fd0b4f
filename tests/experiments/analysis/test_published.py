"""The published numbers, and how files of them are checked."""

from pathlib import Path
from typing import NamedTuple

import pytest

from experiments.analysis import methods
from experiments.analysis.data_file import read
from experiments.analysis.methods import headline_rows
from experiments.analysis.published import figure2, figure3, published_value, saved_weights


def test_the_figures_matrix_factorization_rises_with_its_dimension():
    for by_column in figure2()["MF"].curves.values():
        for curve in by_column.values():
            assert list(curve.values()) == sorted(curve.values())


def test_every_published_number_has_no_more_digits_than_it_is_shown_with():
    for model in figure2().values():
        for by_column in model.curves.values():
            for value in (value for curve in by_column.values() for value in curve.values()):
                assert round(value, model.digits) == value


def test_every_number_has_a_source():
    sources = [model.source for model in figure2().values()] + [figure3().source, saved_weights().source]
    sources += [row.published.source for row in headline_rows() if row.published.values]
    assert len(sources) == 6 + 13 and all(sources)


def test_what_was_not_published_is_nothing():
    assert published_value("MF", "ml-1m", "hit_ratio@10", 16) == 0.6887
    for point in (("GMF", "ml-1m", "ndcg@10", 16), ("MF", "ml-20m", "ndcg@10", 16), ("MF", "ml-1m", "ndcg@10", 17)):
        assert published_value(*point) is None
    assert figure3().gap(1, 16, 4000) == 0.057 and figure3().gap(None, 16, 4000) is None


def test_a_row_of_the_headline_takes_the_point_of_figure_2_that_it_names():
    by_name = {row.name: row.published for row in headline_rows()}
    assert by_name["MF d=32"].values == {"hit_ratio@10": 0.7135, "ndcg@10": 0.4365}
    assert by_name["MF d=32"].digits == 4 and by_name["NeuMF d=40, pretrained"].digits == 3
    assert by_name["GMF d=32"].values == {}


@pytest.mark.parametrize("point", ["MF, embedding_dim: 33", "MG, embedding_dim: 32"])
def test_a_point_that_figure_2_does_not_have_is_named(tmp_path, monkeypatch, point):
    row = "entry: sweep\n  study: s\n  conf: c\n  where: {}\n  hyperparameters: none"
    path = tmp_path / "headline.yaml"
    path.write_text(f"- name: X\n  {row}\n  published: {{source: s, figure2: {point}}}\n")
    monkeypatch.setattr(methods, "_FILE", path)
    with pytest.raises(ValueError, match=r"headline.yaml: X: published: expected a point of .*, got M. d=3"):
        headline_rows.__wrapped__()


# ---- files


class Row(NamedTuple):
    name: str
    sizes: dict[int, float]
    value: str | int = ""


def test_a_file_is_read_as_its_type(tmp_path: Path):
    path = tmp_path / "rows.yaml"
    path.write_text("- {name: a, sizes: {16: 1, 32: 0.5}}\n- {name: b, sizes: {}, value: 3}\n")
    assert read(path, list[Row]) == [Row("a", {16: 1.0, 32: 0.5}), Row("b", {}, 3)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {name: a, sizes: {16: x}}", "1: sizes: 16: expected float, got 'x'"),
        ("- {name: a, sizes: {x: 1}}", "1: sizes: expected int, got 'x'"),
        ("- {name: a, sizes: {}, value: 0.5}", "1: value: expected str or int, got 0.5"),
        ("- {name: a, sizes: {}, value: true}", "1: value: expected str or int, got True"),
        ("- {name: a}", r"1: expected the keys name, sizes, got name \(sizes\?\)"),
        ("- {name: a, sizes: {}, vlaue: 1}", r"1: expected the keys name, sizes, got name, sizes, vlaue \(vlaue\?\)"),
        ("- a", "1: expected Row, got 'a'"),
        ("a: 1", "expected list.*, got {'a': 1}"),
        ("- {name: a", "expected YAML, got "),
    ],
)
def test_a_file_that_is_wrong_says_where_what_was_expected_and_what_it_has(tmp_path: Path, text, message):
    path = tmp_path / "rows.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"rows.yaml: {message}"):
        read(path, list[Row])
