"""A command is one process: what several of them would each train, and write, is refused before it begins."""

import os
from collections.abc import Mapping

from experiments.engine.checks import ConfigError

# How many processes a launcher started, of which this is one. Of SLURM only what a step sets: the script of a job that
# asked for several tasks is one process.
_SIZES = ("SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "JAX_NUM_PROCESSES")


def check_alone(environment: Mapping[str, str] = os.environ) -> None:
    """Raises ConfigError in one of several processes that were started together."""
    names = (*_SIZES, *(("SLURM_NTASKS",) if "SLURM_STEP_NODELIST" in environment else ()))
    for name in names:
        if environment.get(name, "").isdecimal() and int(environment[name]) > 1:
            refuse_several(f"{name}={environment[name]}")


def refuse_several(got: str) -> None:
    """Raises ConfigError, which says what to do instead."""
    raise ConfigError(
        f"processes: expected one, which uses all devices of its machine, got {got}; start one task with several cores "
        "or accelerators (srun --ntasks=1 --cpus-per-task=N), and give the jobs of a study to hydra/launcher"
    )
