"""`hydra/sweeper: ncfjax`. Hydra looks for plugins in this namespace, and instantiates no others."""

from hydra.core.config_store import ConfigStore

from experiments.cli.sweeper import StudySweeper, SweeperConfig


class NcfjaxSweeper(StudySweeper):
    """The sweeper of every entry point of experiments/."""


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="ncfjax",
    node=SweeperConfig(f"{NcfjaxSweeper.__module__}.{NcfjaxSweeper.__name__}"),
    provider="ncfjax",
)
