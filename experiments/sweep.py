"""python -m experiments.sweep: every run of a sweep, trained, evaluated and tabulated; rerun it to continue.

    python -m experiments.sweep dataset=ml-1m model.embedding_dim=16,32 grid.learning_rate=0.001,0.002 grid.seed=0,1,2

--help explains the command line; conf/sweep.yaml holds the keys and their defaults, experiments/config.py their types.
"""

from omegaconf import DictConfig

from experiments import cli, sweeper
from experiments.checks import resolve
from experiments.config import GROUPS, keys, register
from experiments.tuning import TuningError


def run(config: DictConfig, provenance: dict[str, str]) -> int:
    """One job, in the process where a launcher starts it; returns how many runs it trained."""
    from experiments.job import run_job  # JAX is loaded only where something is trained

    return run_job(resolve(config), provenance)


def _register() -> None:
    register()
    sweeper.register()


ENTRY = cli.EntryPoint(
    name="sweep",
    keys=keys,
    groups=GROUPS,
    register=_register,
    run=run,
    arguments=("+study=synthetic",),
    reserved={"phase": "set by tune=true, not by hand"},
    multirun="plans, tunes and sums up",
    failures=(TuningError,),
)


def main() -> None:
    cli.main(ENTRY)


if __name__ == "__main__":
    main()
