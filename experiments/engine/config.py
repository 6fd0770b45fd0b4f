"""The keys that every study has, and how a composed configuration is read by the keys that are declared.

A configuration describes one job: its static choices (one compiled program) and the axes of its grid. Their product is
the list of the job's runs, the last axis varying fastest. A key goes by its dotted name, as on a command line; a list
is the value of one job where the key is an axis (`grid.`).
"""

import itertools
import re
from collections import namedtuple
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from experiments.engine.checks import ConfigError, expect
from ncfjax.keys import COUNT, COUNT_OR_ZERO, FLAG, PATH, POSITIVE, REQUIRED, SEED, TEXT, Key, anything, one_of

_ROOT = Path(__file__).resolve().parents[1]
# conf/ lies beside experiments/ in a checkout, and inside it where the package was installed from a wheel.
CONF = next((path for path in (_ROOT / "conf", _ROOT.parent / "conf") if path.is_dir()), _ROOT.parent / "conf")

AXIS = "grid."  # how the name of an axis begins
SEEDS = "seed"  # the axis that a zipped grid repeats its members over


def is_list(name: str) -> bool:
    """Whether a list of values is the value of one job."""
    return name.startswith(AXIS) or name == "final_seeds"


MOST_TRIALS = 10_000

# Of every study. None of these keys makes a run another run.
COMMON: dict[str, Key] = {
    "study.name": Key(
        str,
        lambda name: re.fullmatch(r"\w[\w.+-]*", name) is not None,
        "the name of a folder: letters, digits, . _ + -",
    ),
    "eval_every": COUNT,
    "data_dir": PATH._replace(is_valid=anything, default=None),
    "results_dir": PATH,
    "memory_gb": POSITIVE._replace(expected="a number > 0, or null", default=None),
    "dry_run": FLAG,
}


# Of a study that several processes may train together; said on the command line of each.
PROCESSES: dict[str, Key] = {
    "distributed": FLAG,
    "process.address": Key(str, lambda text: re.fullmatch(r".+:\d+", text) is not None, "HOST:PORT", default=None),
    "process.count": COUNT._replace(default=None),
    "process.number": COUNT_OR_ZERO._replace(default=None),
}


# Of a study whose runs end with a model that can be saved.
SAVING: dict[str, Key] = {"save_models": FLAG}


# Of a study whose runs are trained epoch by epoch. Neither of these makes a run another run.
CHECKPOINTS: dict[str, Key] = {
    "checkpoint_every": COUNT._replace(default=None),  # epochs
    "keep_checkpoints": FLAG,  # true: the last epoch's outlives the run, so that a longer one goes on from there
}


def tunable(tune_by: Sequence[str]) -> dict[str, Key]:
    """Of a study whose grid can compete on a holdout by one of some metrics."""
    return {
        "split": one_of("test", "holdout"),
        "phase": one_of("run", "tune", "final", default="run"),  # set by tune=true, not by hand
        "tune": FLAG,
        "tune_by": one_of(*tune_by),
        "final_seeds": SEED,
        "zip": FLAG,  # true: the lists of grid.* but the seeds are members side by side, not every combination
        "trials.drawn": COUNT_OR_ZERO._replace(default=24, most=MOST_TRIALS),
        "trials.around": COUNT._replace(default=8, most=MOST_TRIALS),
        "trials.rounds": COUNT_OR_ZERO._replace(default=1, most=MOST_TRIALS),
        "trials.seed": SEED._replace(default=0),
        "trials.num_seeds": COUNT._replace(default=1, most=MOST_TRIALS),
        "trials.by_hand": TEXT._replace(default=""),  # KEY=VALUE KEY=VALUE; KEY=VALUE: see engine/search.py
    }


class Choice(NamedTuple):
    """A key whose value decides which others there are."""

    key: str
    options: Mapping[str, Mapping[str, Key]]  # its values -> the keys of each, by their dotted names
    is_optional: bool = False  # null: none of the keys is set

    @property
    def keys(self) -> dict[str, Key]:
        """All of them, and its own."""
        union = {name: key for keys in self.options.values() for name, key in keys.items()}
        return {self.key: one_of(*self.options)} | union

    def read(self, values: dict[str, Any], is_zipped: bool = False) -> None:
        """Puts the values of its keys into their types.

        Raises:
            ValueError: a value that cannot be; a key that is missing, or that only another choice has.
        """
        chosen = values[self.key]
        if chosen is None and self.is_optional:
            return
        one_of(*self.options).read(self.key, chosen)
        what, own = self.key.removesuffix(".name"), self.options[chosen]
        for name in self.keys:
            value = values[name]
            if name in own:
                is_there = value is not None or own[name].default is not REQUIRED
                expect(name, is_there, f"{own[name].expected}, as {what}={chosen}", value)
                values[name] = read_key(own[name], name, value, is_zipped)
            elif name != self.key:
                owners = [option for option, keys in self.options.items() if name in keys]
                is_set = value is not None and value is not False
                expect(name, not is_set, f"nothing, as only {what}={' or '.join(owners)} has it", value)


def part(name: str, options: Mapping[str, Mapping[str, Key]]) -> Choice:
    """A choice among the files of conf/NAME/, whose keys lie below it."""
    below = {option: {f"{name}.{key}": value for key, value in keys.items()} for option, keys in options.items()}
    return Choice(f"{name}.name", below)


def read_key(key: Key, name: str, value: Any, is_zipped: bool = False) -> Any:
    """The value of a key in its type; of an axis a list, even if it is a single number.

    Raises:
        ValueError: a value out of range, an axis without one, or one that has a value twice and is not zipped.
    """
    if not is_list(name):
        return key.read(name, value)
    given = value if isinstance(value, list) else [value]
    expect(name, bool(given) or not name.startswith(AXIS), f"at least one of: {key.expected}", given)
    values = [key.read(name, one) for one in given]
    may_repeat = is_zipped and name not in (AXIS + SEEDS, "final_seeds")
    expect(name, may_repeat or len(set(values)) == len(values), "each value once", given)
    return values


# ---- a configuration as a tree and by dotted names


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """{"a.b": 1} as {"a": {"b": 1}}."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *parts, last = name.split(".")
        node = tree
        for key in parts:
            node = node.setdefault(key, {})
        node[last] = value
    return tree


def dotted(tree: Mapping[str, Any] | SimpleNamespace, prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} as {"a.b": 1}."""
    values: dict[str, Any] = {}
    for name, child in (vars(tree) if isinstance(tree, SimpleNamespace) else tree).items():
        is_part = isinstance(child, Mapping | SimpleNamespace)
        values |= dotted(child, f"{prefix}{name}.") if is_part else {prefix + name: child}
    return values


def as_config(tree: Mapping[str, Any]) -> SimpleNamespace:
    """{"a": {"b": 1}} with attributes: config.a.b."""
    return SimpleNamespace(**{name: as_config(x) if isinstance(x, Mapping) else x for name, x in tree.items()})


def set_keys(config: SimpleNamespace) -> dict[str, Any]:
    """The keys that are set. One that is null or false is left out, so that a later one does not rename old runs."""
    return nested({name: x for name, x in dotted(config).items() if x is not None and x is not False})


# ---- the members of a grid


@cache
def point_type(names: tuple[str, ...]) -> type:
    """One member of a grid: a value per axis, None where the job does not have the axis."""
    return namedtuple("Point", names, defaults=[None] * len(names))


def points(grid: SimpleNamespace, is_zipped: bool = False) -> list[Any]:
    """The members of a grid, the last axis varying fastest; or, zipped, one for each place in the lists, per seed."""
    point = point_type(tuple(vars(grid)))
    if not is_zipped:
        return [point(*row) for row in itertools.product(*(values or [None] for values in vars(grid).values()))]
    axes = {name: values or [None] for name, values in vars(grid).items()}
    seeds = axes.pop(SEEDS, [None])
    length = max(map(len, axes.values()))
    rows = zip(*(values * (length if len(values) == 1 else 1) for values in axes.values()), strict=True)
    members = [dict(zip(axes, row, strict=True)) for row in dict.fromkeys(rows)]
    return [point(**member | ({SEEDS: seed} if SEEDS in point._fields else {})) for member in members for seed in seeds]


def check_zipped(grid: SimpleNamespace) -> None:
    """Raises ValueError for lists that cannot stand side by side."""
    lengths = {name: len(values or [None]) for name, values in vars(grid).items() if name != SEEDS}
    longest = max(lengths.values(), default=1)
    for name, length in lengths.items():
        expect(f"{AXIS}{name}", length in (1, longest), f"1 value or {longest}, as zip=true", length)


# ---- what conf/ computes with


def pick(swept: str | int, values: Mapping[Any, Any]) -> Any:
    """What a study sets for one of several swept values: ${pick:${model.name},{mlp:32,neumf:40}}.

    Raises:
        ConfigError: it sets nothing for this one.
    """
    if swept not in values:
        raise ConfigError(f"{swept}: expected one of {', '.join(map(str, values))}, for which this study is made")
    return values[swept]
