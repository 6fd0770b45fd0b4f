"""The Hydra sweeper of this program: comma lists on `grid.*` are axes of one job, comma lists elsewhere are jobs.

    model.embedding_dim=16,32 grid.learning_rate=0.001,0.002 grid.seed=range(0,8)   ->   2 jobs of 16 runs each

A command with an interval is a search (engine/trials.py): of what is an interval, and of each choice(), one value is
drawn per trial. Comma lists stay what they are, so that each job is searched by itself.

    tune=true model=dot,gmf 'grid.learning_rate=tag(log,interval(0.001,0.1))' 'objective.batch_size=choice(64,128)'

Whatever a launcher does with jobs (one after the other, joblib, submitit, ray) it does with these; see hydra/launcher.
All jobs are composed and checked before the first one is launched. Hydra finds the sweeper in hydra_plugins/ncfjax.
"""

import functools
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from experiments.cli.entry import typed
from experiments.cli.launching import launching, raise_failures, swept_keys
from experiments.cli.typed import quoted
from experiments.engine.checks import ConfigError, expect
from experiments.engine.config import PROCESSES, is_list
from experiments.engine.processes import is_joined
from experiments.engine.search import Dimension, Interval, Options, Space, with_keys
from experiments.engine.task import Task

# One command writes one study; and what the whole study does cannot differ between its jobs.
ONE_PER_STUDY = frozenset(
    {
        "study", "study.name", "results_dir", "dry_run", "eval_every", "memory_gb", "tune", "tune_by", "save_models",
        "checkpoint_every", "keep_checkpoints", "table_shards", *PROCESSES,
    }
)  # fmt: skip
MOST_VALUES = 10_000  # of a key: Hydra takes a second to read them


def _values(override: Override) -> list[str]:
    if not override.is_discrete_sweep():
        raise ConfigError(f"{override.input_line}: expected a list such as 1,2,3 or range(0,8), got an interval")
    values = list(itertools.islice(override.sweep_string_iterator(), MOST_VALUES + 1))
    if len(values) > MOST_VALUES:
        raise ConfigError(f"{override.input_line}: expected at most {MOST_VALUES:,} values, got more")
    return values


def _alternatives(override: Override, task: Task) -> list[str]:
    """What one override contributes to a job: one string, or one per job where it is swept."""
    key = override.get_key_element()
    name = override.key_or_group.removesuffix(f"/{task.name}")  # study/sweep
    if override.is_delete():
        return [override.input_line or key]
    if not override.is_sweep_override():
        return [f"{key}={override.get_value_element_as_str()}"]
    values = _values(override)
    if is_list(name):
        return [f"{key}=[{','.join(values)}]"]
    if name in ONE_PER_STUDY | task.one_per_study:
        raise ConfigError(f"{name}: expected one value for all jobs, got {', '.join(values)}")
    if len(set(values)) < len(values):
        raise ConfigError(f"{name}: expected each value once, got {', '.join(values)}")
    return [f"{key}={value}" for value in values]


def expand(overrides: Sequence[Override], task: Task) -> list[list[str]]:
    """The overrides of each job, the last key varying fastest. Of two overrides of one key the later one counts.

    Raises:
        ConfigError: a sweep of what cannot be swept, or a value given twice.
    """
    last = {override.key_or_group: override for override in overrides}
    alternatives = [_alternatives(override, task) for override in last.values()]
    return [list(job) for job in itertools.product(*alternatives)]


def cut_space(overrides: Sequence[Override], task: Task) -> tuple[list[Override], Space]:
    """The overrides that make jobs, and what each job is searched over; nothing where no interval is among them.

    Raises:
        ConfigError: an interval of what is no real number, or of what the whole study shares.
    """
    last = {override.key_or_group: override for override in overrides}.values()
    if not task.tune_by or not any(isinstance(override.value(), IntervalSweep) for override in last):
        return list(last), ()
    searched = [override for override in last if _is_searched(override)]
    for override in searched:
        if override.key_or_group in ONE_PER_STUDY | task.one_per_study | {"grid.seed", "final_seeds"}:
            raise ConfigError(f"{override.key_or_group}: expected a value or a list, got {override.input_line}")
        if unknown := override.value().tags - {"log"}:
            raise ConfigError(f"{override.key_or_group}: expected no tag but log, got {', '.join(sorted(unknown))}")
    space = with_keys(tuple(map(_dimension, searched)), task.all_keys)
    return [override for override in last if override not in searched], space


def _is_searched(override: Override) -> bool:
    value = override.value()
    return isinstance(value, IntervalSweep) or (isinstance(value, ChoiceSweep) and not value.simple_form)


def _dimension(override: Override) -> Dimension:
    key, value = override.key_or_group, override.value()
    if isinstance(value, IntervalSweep):
        return Interval(key, float(value.start), float(value.end), "log" in value.tags)
    options = zip(value.list, override.sweep_string_iterator(), strict=True)
    return Options(key, tuple(_option(*option) for option in options))


def _option(value: Any, text: str) -> str:
    """As one writes it: Hydra would escape an interpolation, which stands within quotes, and writes True."""
    if isinstance(value, str) and "${" in value:
        return f"'{value}'"
    return text.lower() if isinstance(value, bool) else text


def as_arguments(params: Mapping[str, Any]) -> list[str]:
    """`hydra.sweeper.params` of conf/: what follows the equals sign, or a list of the values to sweep.

    @{...} is an interpolation that each job resolves by itself: Hydra resolves ${...} in these lines once for all.
    """

    def text(value: Any) -> str:
        if isinstance(value, str):
            return value.replace("@{", "${")
        return ",".join(map(str, value)) if isinstance(value, Sequence) else str(value)

    return [f"{key}={text(value)}" for key, value in params.items()]


@dataclass
class SweeperConfig:
    """hydra/sweeper: ncfjax."""

    _target_: str
    params: dict[str, Any] = field(default_factory=dict)


class StudySweeper(Sweeper):
    """Composes the jobs of one entry point, and gives a launcher those that have runs to train."""

    def __init__(self, params: Mapping[str, Any] | None = None):
        self.params = params or {}
        self.config: DictConfig | None = None
        self.hydra_context: HydraContext | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.config, self.hydra_context, self.task_function = config, hydra_context, task_function
        self.entry, self.arguments = task_function.entry, task_function.arguments  # main.py puts them there
        # Hydra makes this folder: neither one of the name ~, nor one in the folder where a job may run.
        self.folder = os.getcwd()
        config.hydra.sweep.dir = os.path.abspath(os.path.expanduser(str(config.hydra.sweep.dir)))

    def sweep(self, arguments: list[str]) -> None:
        from experiments.engine.study import run_study  # what trains takes a second to import

        parser = OverridesParser.create(config_loader=self.hydra_context.config_loader)
        given = [typed(self.entry.task, argument) for argument in (*as_arguments(self.params), *arguments)]
        overrides, space = cut_space(parser.parse_overrides(given), self.entry.task)
        jobs = expand(overrides, self.entry.task)
        self.swept = swept_keys(jobs)
        run_study(
            self.entry.task,
            jobs,
            self.compose,
            self.launch,
            self.arguments,
            draw=self.entry.draw,
            table=self.entry.table,
            space=space,
        )

    def compose(self, overrides: list[str]) -> Any:
        """The checked configuration of one job, given its overrides."""
        job = self.hydra_context.config_loader.load_sweep_config(self.config, overrides)
        with open_dict(job):
            del job["hydra"]
        return self.entry.task.resolve(job)

    def launch(self, jobs: list[list[str]], provenance: dict[str, str]) -> None:
        """Runs jobs by hydra/launcher and waits for them.

        Raises:
            JobsError: after all jobs have ended, naming those that failed.
        """
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=self.hydra_context,
            # A job in another process, or on another machine, knows neither the command nor, later, the commit.
            task_function=functools.partial(self.task_function, provenance=provenance, folder=self.folder),
            config=self.config,
        )
        results = f"hydra.sweep.dir={quoted(self.config.hydra.sweep.dir)}"
        is_here = self.config.hydra.launcher._target_.endswith(".BasicLauncher")
        expect("hydra/launcher", is_here or not is_joined(), "none, as distributed=true", "one that starts others")
        with launching(self.config.hydra.launcher._target_):
            returned = launcher.launch([[*job, results] for job in jobs], initial_job_idx=0)
        raise_failures(jobs, returned, self.swept)
