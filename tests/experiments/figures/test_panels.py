"""What all figures have in common."""

import matplotlib
import pytest

from experiments.analysis.lines import MODELS
from experiments.figures import panels

NAME = r"$x_1$ a_b^{ \frac <&> 100% $"


def test_no_two_similarities_look_alike_nor_two_lines_of_a_panel():
    names = [*MODELS.values(), "MLP, pretrained", "NeuMF, pretrained"]
    for styles in (map(panels.similarity_style, names), map(panels.line_style, range(20))):
        looks = [tuple(style.values()) for style in styles]
        assert len(set(looks)) == len(looks)


def test_a_matplotlibrc_of_the_users_changes_no_figure():
    def draw():
        figure = panels.new_figure()
        figure.subplots().plot([1, 2], label="a")
        return panels.complete(figure, "title", [])

    before = panels.render(draw)
    with matplotlib.rc_context({"text.usetex": True, "axes.facecolor": "black", "savefig.bbox": "tight"}):
        assert panels.render(draw) == before
        assert matplotlib.rcParams["text.usetex"]


def test_a_name_is_drawn_as_it_is_and_ticks_as_matplotlib_makes_them(monkeypatch: pytest.MonkeyPatch):
    figure = panels.new_figure()

    def draw():
        axes = figure.subplots()
        axes.plot([1, 1e6], [1, 1e6], label=NAME)
        axes.set_xscale("log"), axes.set_yscale("log")
        axes.set_title(NAME), axes.text(1, 1, NAME), axes.set_xlabel(NAME)
        return panels.complete(figure, NAME, [NAME], NAME)

    monkeypatch.setitem(panels.STYLE, "svg.fonttype", "none")
    svg = panels.render(draw)[".svg"].decode()
    shown = NAME.replace("<&>", "&lt;&amp;&gt;")
    assert svg.count(f">{shown}</text>") == 6  # title, text, label of the axis, legend, figure's title and note
    assert r">$\mathdefault" not in svg and svg.count("<tspan") >= 2
