"""Several processes that were started together: which are told, and which are not."""

import pytest

from experiments.engine import device
from experiments.engine.checks import ConfigError
from experiments.engine.processes import Place, check_alone, join

STEP = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_STEP_NODELIST": "node1"}


@pytest.mark.parametrize(
    "environment",
    [
        STEP | {"SLURM_NTASKS": "2"},
        STEP | {"SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "4"},
        {"OMPI_COMM_WORLD_SIZE": "2"},
        {"PMI_SIZE": "16"},
    ],
    ids=["srun", "a step within a job", "mpirun", "pmi"],
)
def test_several_are_refused(environment):
    with pytest.raises(ConfigError, match="processes: expected one, which uses all devices of its machine, got "):
        check_alone(environment)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        STEP | {"SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "1"},
        {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_NTASKS": "8"},
        {"PMI_SIZE": "", "OMPI_COMM_WORLD_SIZE": "1"},
    ],
    ids=["alone", "srun --ntasks=1", "the script of a job that asked for 8 tasks", "mpirun -n 1"],
)
def test_one_is_not(environment):
    check_alone(environment)


@pytest.mark.parametrize("given", [{"count": 2}, {"address": "localhost:1234", "number": 0}])
def test_a_place_among_several_is_given_whole_or_not_at_all(given):
    with pytest.raises(
        ConfigError, match="distributed=true: expected process.address, process.count and process.number"
    ):
        join(Place(**given), lambda: None)


def test_processes_that_jax_has_joined_are_refused_before_anything_is_trained(monkeypatch):
    monkeypatch.setattr(device.jax, "process_count", lambda: 4)
    monkeypatch.setattr(device.jax, "process_index", lambda: 2)
    with pytest.raises(ConfigError, match="got process 3 of 4 that jax.distributed has joined"):
        device.prepare()
