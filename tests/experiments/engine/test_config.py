"""The typed keys of every study, and the axes of a grid."""

import pytest

from experiments.engine.checks import ConfigError, expect_options, is_number, is_seed, nearest
from experiments.engine.config import Axis, counts, keys_of, non_negative, points, positive, set_keys


def test_points_are_the_product_of_the_axes_with_the_last_fastest(task, bare_config):
    config = bare_config("grid.rate=[0.1,0.2]", "grid.seed=[5,3]")
    assert [tuple(point) for point in task.points(config)] == [(0.1, 5), (0.1, 3), (0.2, 5), (0.2, 3)]


def test_an_axis_that_a_job_does_not_have_is_none_in_its_points(task, bare_config):
    config = bare_config("grid.rate=[1,2]")
    rate, _ = task.axes
    assert [tuple(point) for point in points([rate], config.grid)] == [(1.0, None), (2.0, None)]


def test_values_have_the_type_of_their_axis(task, bare_config):
    (point,) = task.points(bare_config("grid.rate=1", "grid.seed=2"))
    assert (type(point.rate), type(point.seed)) == (float, int)


@pytest.mark.parametrize(
    ("axis", "right", "wrong"),
    [
        (positive("x"), [1, 0.5], [0, -1, "1", None, True, float("inf"), float("nan")]),
        (non_negative("x"), [0, 0.0, 2], [-1, float("nan")]),
        (counts("x"), [1, 2], [0, 1.0, True, "1"]),
    ],
)
def test_an_axis_knows_its_values(axis: Axis, right, wrong):
    assert all(map(axis.is_valid, right)) and not any(map(axis.is_valid, wrong))


def test_a_seed_is_an_integer_of_31_bits():
    assert is_seed(0) and is_seed(2**31 - 1)
    assert not any(map(is_seed, (-1, 2**31, 1.0, True, "1", None)))


def test_a_number_is_finite_and_no_truth_value():
    assert is_number(1) and is_number(-0.5)
    assert not any(map(is_number, (True, float("nan"), float("inf"), "1", None)))


def test_keys_are_all_that_a_command_may_set(task):
    settable, every = task.settable_keys(), keys_of(task.schema())
    assert {"grid.rate", "grid.seed", "size", "study.name", "dry_run"} <= set(settable)
    assert set(every) - set(settable) == {"phase"}, "a study's own"


def test_keys_that_are_not_set_are_left_out(task, bare_config):
    keys = set_keys(bare_config("memory_gb=null", "dry_run=false", "size=0"))
    assert "memory_gb" not in keys and "dry_run" not in keys and keys["size"] == 0


@pytest.mark.parametrize(
    ("got", "right"),
    [("a.embeding_dim", "a.embedding_dim"), ("embedding_dim", "a.embedding_dim"), ("learning_rate", "b.learning_rate"),
     ("b.lerning_rate", "b.learning_rate"), ("num_epoch", "num_epochs"), ("a.learning_rate", "b.learning_rate")],
)  # fmt: skip
def test_the_nearest_key_is_proposed(got, right):
    assert f"did you mean {right}?" in nearest(got, ["a.embedding_dim", "b.learning_rate", "num_epochs"])


def test_nothing_is_proposed_where_nothing_is_near():
    assert nearest("xyzzy", ["test", "holdout"]) == "valid: test, holdout"


class Part:
    """A part of a configuration: one choice has `width`, another `width` and `depth`."""

    def __init__(self, **keys):
        self.width, self.depth = keys.get("width"), keys.get("depth")


@pytest.mark.parametrize(
    ("keys", "choice", "message"),
    [
        ({}, "part=wide", "part.width: expected a value, as part=wide, got None"),
        ({"width": 1, "depth": 2}, "part=wide", "part.depth: expected nothing, as only part=deep has it, got 2"),
        ({"width": 1}, "part=flat", "part.width: expected nothing, as only part=wide or deep has it, got 1"),
    ],
)
def test_a_choice_has_its_keys_and_no_others(keys, choice, message):
    with pytest.raises(ConfigError) as refused:
        expect_options("part", Part(**keys), {"flat": (), "wide": ("width",), "deep": ("width", "depth")}, choice)
    assert str(refused.value) == message
