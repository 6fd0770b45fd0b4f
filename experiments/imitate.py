"""python -m experiments.imitate: how far a network stays behind the dot product that it is trained to imitate.

    python -m experiments.imitate num_users=4000,8000 embedding_dim=16 width_multiplier=1,2 grid.seed=0,1

Figure 3 of Rendle et al. (2020), variants of its network, and the distillation of a dot model fitted to a data set.
--help explains the command line; conf/imitate.yaml holds the keys and their defaults, experiments/imitate_config.py
their types. Rerun a command to continue it.
"""

from typing import Any

from omegaconf import DictConfig

from experiments import cli, sweeper
from experiments.imitate_config import ImitatePoint, keys, register, resolve


def run(config: DictConfig, provenance: dict[str, str]) -> int:
    """One job, in the process where a launcher starts it; returns how many runs it trained."""
    from experiments.imitate_job import run_job  # JAX is loaded only where something is trained

    return run_job(resolve(config), provenance)


class ImitateSweeper(sweeper.JobSweeper):
    name = "ncfjax_imitate"
    list_keys = frozenset(f"grid.{axis}" for axis in ImitatePoint._fields)
    one_per_sweep = sweeper.COMMON | {"target"}

    def resolve(self, job: DictConfig) -> Any:
        return resolve(job)

    def run_study(self, all_overrides: list[list[str]]) -> None:
        from experiments.imitate_study import run_study

        run_study(all_overrides, self.compose, self.launch)


def _register() -> None:
    register()
    sweeper.register(ImitateSweeper)


ENTRY = cli.EntryPoint(
    name="imitate",
    keys=keys,
    groups=("target", "dataset", "study"),
    register=_register,
    run=run,
    arguments=("num_users=1000,2000", "embedding_dim=8", "num_fresh=10000"),
    reserved={},
    multirun="plans and sums up",
    needs=dict.fromkeys(("dataset", "teacher"), "target=recommender"),
)


def main() -> None:
    cli.main(ENTRY)


if __name__ == "__main__":
    main()
