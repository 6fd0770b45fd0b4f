"""python -m experiments.baselines: well-tuned simple methods under the protocols of the sweep; rerun it to continue.

    python -m experiments.baselines dataset=ml-1m baseline=ease tune=true grid.regularization=200,500,1000,2000

--help explains the command line; conf/baselines.yaml holds the keys and their defaults, conf/baseline/ those of each
method, experiments/baselines_config.py their types.
"""

from typing import Any

from omegaconf import DictConfig

from experiments import cli, sweeper
from experiments.baselines_config import AXES, keys, register, resolve
from experiments.tuning import TuningError


def run(config: DictConfig, provenance: dict[str, str]) -> int:
    """One job, in the process where a launcher starts it; returns how many runs it fitted."""
    from experiments.baselines_job import run_job  # JAX is loaded only where something is fitted

    return run_job(resolve(config), provenance)


class BaselinesSweeper(sweeper.JobSweeper):
    name = "ncfjax_baselines"
    list_keys = frozenset({*(f"grid.{axis}" for axis in AXES), "final_seeds"})
    one_per_sweep = sweeper.COMMON | {"tune", "tune_by"}

    def resolve(self, job: DictConfig) -> Any:
        return resolve(job)

    def run_study(self, all_overrides: list[list[str]]) -> None:
        from experiments.baselines_study import run_study

        run_study(all_overrides, self.compose, self.launch)


def _register() -> None:
    register()
    sweeper.register(BaselinesSweeper)


ENTRY = cli.EntryPoint(
    name="baselines",
    keys=keys,
    groups=("baseline", "dataset", "study"),
    register=_register,
    run=run,
    arguments=("baseline=popularity,item_knn,ease,slim,ials",),
    reserved={"phase": "set by tune=true, not by hand"},
    multirun="plans, tunes and sums up",
    failures=(TuningError,),
)


def main() -> None:
    cli.main(ENTRY)


if __name__ == "__main__":
    main()
