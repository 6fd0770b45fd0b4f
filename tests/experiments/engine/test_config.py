"""The typed keys of every study, and the axes of a grid."""

import re

import pytest

from experiments.engine.config import as_config, dotted, nested, part, points, set_keys
from ncfjax.keys import COUNT


def test_points_are_the_product_of_the_axes_with_the_last_fastest(task, bare_config):
    config = bare_config("grid.rate=[0.1,0.2]", "grid.seed=[5,3]")
    assert [tuple(point) for point in task.points(config)] == [(0.1, 5), (0.1, 3), (0.2, 5), (0.2, 3)]


def test_an_axis_that_a_job_does_not_have_is_none_in_its_points():
    grid = as_config({"rate": [1.0, 2.0], "seed": None})
    assert [tuple(point) for point in points(grid)] == [(1.0, None), (2.0, None)]


def test_values_have_the_type_of_their_axis(task, bare_config):
    (point,) = task.points(bare_config("grid.rate=1", "grid.seed=2"))
    assert (type(point.rate), type(point.seed)) == (float, int)


def test_keys_are_all_that_a_command_may_set(task):
    assert {"grid.rate", "grid.seed", "size", "study.name", "dry_run", "tune", "final_seeds"} <= set(task.schema())
    assert (task.schema()["phase"], task.schema()["size"]) == ("run", None)


def test_keys_that_are_not_set_are_left_out(task, bare_config):
    keys = set_keys(bare_config("memory_gb=null", "dry_run=false", "size=0"))
    assert "memory_gb" not in keys and "dry_run" not in keys and keys["size"] == 0


PART = part(
    "part", {"flat": {}, "wide": {"width": COUNT}, "deep": {"width": COUNT, "depth": COUNT._replace(default=3)}}
)


def read(**values) -> dict:
    """The values of a part, by dotted name."""
    values = dict.fromkeys(PART.keys) | {f"part.{name}": value for name, value in values.items()}
    PART.read(values)
    return values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "wide"}, "part.width: expected an integer >= 1, as part=wide, got None"),
        ({"name": "wide", "width": 0}, "part.width: expected an integer >= 1, got 0"),
        ({"name": "wide", "width": 1, "depth": 2}, "part.depth: expected nothing, as only part=deep has it, got 2"),
        ({"name": "flat", "width": 1}, "part.width: expected nothing, as only part=wide or deep has it, got 1"),
        ({"name": "deeep", "width": 1}, "part.name=deeep: no such name, did you mean deep?"),
        ({}, "part.name=None: no such name, valid: flat, wide, deep"),
    ],
)
def test_a_choice_has_its_keys_and_no_others(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read(**values)


def test_what_is_not_set_has_its_default_if_the_choice_has_it():
    assert read(name="deep", width=1) == {"part.name": "deep", "part.width": 1, "part.depth": 3}
    assert read(name="wide", width=1)["part.depth"] is None


def test_a_choice_that_is_optional_may_be_null():
    values = dict.fromkeys(PART.keys)
    PART._replace(is_optional=True).read(values)
    assert values == dict.fromkeys(PART.keys)


def test_a_tree_is_what_its_dotted_names_say():
    tree = {"a": {"b": 1, "c": {"d": [2]}}, "e": None}
    assert dotted(tree) == {"a.b": 1, "a.c.d": [2], "e": None} and nested(dotted(tree)) == tree
    assert as_config(tree).a.c.d == [2] and dotted(as_config(tree)) == dotted(tree)
