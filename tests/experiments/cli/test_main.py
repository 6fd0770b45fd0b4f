"""What a command does before and after Hydra: messages, exit codes, help; run in this process but for Ctrl-C."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from omegaconf import OmegaConf

from experiments import baselines, imitate, sweep
from experiments.cli.main import _job
from experiments.engine.checks import ConfigError
from experiments.engine.study import plan
from experiments.engine.tuning import TuningError
from ncfjax.store import Store
from ncfjax.table import StoreError
from ncfjax.training.blocks import count_compiles

COMMANDS = {"sweep": sweep, "imitate": imitate, "baselines": baselines}
each_command = pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)


class Study:
    """What a command hands the engine."""

    def __init__(self, task, all_overrides, compose, launch, arguments, **more):
        self.jobs = plan(task, all_overrides, compose)
        self.arguments, self.more = arguments, more


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch, run_entry: Callable[..., int]) -> Callable[..., Study]:
    """The study of a command, which is not carried out."""

    def study(command, *arguments: str) -> Study:
        studies: list[Study] = []
        monkeypatch.setattr("experiments.engine.study.run_study", lambda *a, **more: studies.append(Study(*a, **more)))
        assert run_entry(command, *arguments) == 0
        return studies[0]

    return study


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch, run_entry: Callable[..., int]) -> Callable[[BaseException], int]:
    """The exit code of a command whose study ends in an error."""

    def raising(error: BaseException) -> int:
        def fail(*arguments, **more):
            raise error

        monkeypatch.setattr("experiments.engine.study.run_study", fail)
        return run_entry(baselines, "baseline=ease")

    return raising


@each_command
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grid.seed=-1"], "ncfjax: grid.seed: expected an integer from 0 to 2147483647, got -1\n"),
        (["memory_gb=1e-9", "dry_run=true"], "memory: expected at least "),
    ],
)
def test_a_wrong_command_ends_with_one_message_and_nothing_is_written(
    command, arguments, message, run_entry: Callable[..., int], results: Path, capfd
):
    small = {"sweep": ["dataset.synthetic.num_users=30"], "imitate": ["num_users=30", "pairs_per_user=10"],
             "baselines": ["baseline=ials"]}  # fmt: skip
    compiled = count_compiles()
    assert run_entry(command, *small[command.ENTRY.name], *arguments, f"results_dir={results}") == 2
    said = capfd.readouterr().err
    assert message in said and "Traceback" not in said and said.startswith("ncfjax: ")
    assert not results.exists() and count_compiles() == compiled


def test_examples_that_cannot_be_numbered_are_refused_before_anything_is_compiled(run_tiny, results: Path, capfd):
    compiled, more = count_compiles(), ("objective.num_negatives=30000000", "objective.shuffle_examples=true")
    assert run_tiny(results, "objective=sampled", *more) == 2
    said = capfd.readouterr().err
    assert said.startswith("ncfjax: synthetic dot d=4 sampled: examples of an epoch: expected at most 2,147,395,600")
    assert count_compiles() == compiled and not results.exists()


@pytest.mark.parametrize(
    ("argument", "message"),
    [("num_epochs=many", "'many'"), ("hydra/launcher=joblibb", "joblib"), ("num_epochs", "num_epochs"),
     ("hydra.mode=RUN", "hydra.mode: expected MULTIRUN, which plans and sums up a study, got RUN")],
)  # fmt: skip
def test_what_hydra_refuses_is_told_in_its_words_without_the_names_of_types(
    argument: str, message: str, run_entry: Callable[..., int], results: Path, capfd
):
    assert run_entry(sweep, argument, f"results_dir={results}") == 2
    said = capfd.readouterr().err
    assert message in said and said.startswith("ncfjax: ") and not results.exists()
    assert not any(word in said for word in ("Traceback", "object_type", "full_key"))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("grid.seed=range(0,4,0)", "range() arg 3 must not be zero"),
        ("grid.seed=range(0,1e7)", "grid.seed=range(0,1e7): expected at most 10,000 values, got more"),
        ("--shell-completion", "Expecting one subcommand from"),
        ("dataset.synthetic=null", "dataset.synthetic: expected its keys (dataset.synthetic.num_users, "),
    ],
)
def test_what_hydra_refuses_without_a_type_of_its_own_is_one_message_too(argument, message, run_entry, results, capfd):
    assert run_entry(sweep, argument, f"results_dir={results}") == 2
    said = capfd.readouterr().err
    assert message in said and len(said.splitlines()) == 1 and said.startswith("ncfjax: ") and not results.exists()


def test_a_group_of_another_command_that_is_null_is_one_message(run_entry, capfd):
    assert run_entry(baselines, "grid=null") == 2
    assert capfd.readouterr().err.startswith("ncfjax: grid: expected its keys (grid.")


def test_a_number_of_workers_that_cannot_be_is_one_message(run_entry, tiny_data, results: Path, capfd):
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=0")
    assert run_entry(baselines, *tiny_data, "baseline=popularity", f"results_dir={results}", *launcher) == 2
    assert capfd.readouterr().err.endswith("hydra.launcher.n_jobs=0: n_jobs == 0 in Parallel has no meaning\n")


def test_all_of_an_error_is_shown_where_it_is_wanted(run_entry: Callable[..., int], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ValueError, match="grid.seed"):
        run_entry(sweep, "grid.seed=-1")


@pytest.mark.parametrize("error", [StoreError("the disk is full"), TuningError("no winner")])
def test_what_is_no_fault_of_the_command_line_has_another_exit_code(raising, error: Exception, capfd):
    assert raising(error) == 1
    assert capfd.readouterr().err == f"ncfjax: {error}\n"


@pytest.mark.parametrize(
    ("allocate", "said"),
    [
        (lambda: np.zeros((1 << 26, 1 << 20)), "Unable to allocate 512. TiB"),
        (lambda: jnp.zeros((1 << 20, 1 << 22)), "RESOURCE_EXHAUSTED: Out of memory allocating 17592186044416 bytes"),
        (lambda: bytearray(1 << 62), "an allocation failed"),
    ],
    ids=["numpy", "xla", "python"],
)
def test_an_allocation_that_fails_ends_a_command_with_one_message(allocate, said, monkeypatch, run_entry, capfd):
    monkeypatch.setattr("experiments.engine.study.run_study", lambda *arguments, **more: allocate())
    assert run_entry(baselines, "baseline=ease") == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("ncfjax: memory: expected more than there is, got ") and said in line
    assert line.endswith("; the same command continues after the last stored block")


def test_an_error_of_xla_that_is_not_of_memory_is_a_fault_of_ours_and_is_shown(raising):
    with pytest.raises(RuntimeError, match="INTERNAL"):
        raising(RuntimeError("INTERNAL: something else"))


def test_one_of_several_processes_that_a_batch_system_starts_is_refused(run_entry, monkeypatch, results, capfd):
    step = {"SLURM_STEP_NODELIST": "node[1-2]", "SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_JOB_ID": "7"}
    for name, value in step.items():
        monkeypatch.setenv(name, value)
    assert run_entry(sweep, f"results_dir={results}") == 2
    said = capfd.readouterr()
    assert said.err.startswith("ncfjax: processes: expected one, which uses all devices of its machine, got SLURM_NTAS")
    assert said.out == "" and len(said.err.splitlines()) == 1 and not results.exists()


def test_a_job_that_a_batch_system_starts_several_times_is_refused(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    with pytest.raises(ConfigError, match="processes: expected one, .*, got SLURM_STEP_NUM_TASKS=2"):
        _job(sweep.ENTRY)(OmegaConf.create(), provenance={})


def test_a_folder_that_cannot_be_written_is_told_in_one_message(run_tiny: Callable[..., int], results: Path, capfd):
    results.write_text("in the way")
    assert run_tiny(results) == 1
    said = capfd.readouterr().err
    assert str(results / "sweep") in said and "Traceback" not in said


def test_stopping_a_command_says_how_to_continue(raising, capfd):
    assert raising(KeyboardInterrupt()) == 130
    assert capfd.readouterr().err == "\nncfjax: stopped; the same command continues after the last stored block\n"


def test_a_fault_of_the_program_is_not_explained_away(raising):
    with pytest.raises(ZeroDivisionError):
        raising(ZeroDivisionError())


@pytest.mark.slow
def test_ctrl_c_stops_a_study_in_the_midst_of_training(results: Path, tiny: tuple[str, ...], start, wait_for):
    store = Store(results / "sweep", sweep.ENTRY.task.all_columns)
    process = start("experiments.sweep", *tiny, "num_epochs=100000000", f"results_dir={results}")
    wait_for(process, lambda: len(store.completed()) == 2)  # popularity and the oracle: training comes next
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130 and "the same command continues" in said and "Traceback" not in said
    assert said.startswith("ncfjax: 1 job, 1 run")


WITHOUT_JAX = """
import sys
from experiments import baselines, imitate, retrieval, sweep
for entry in (baselines, imitate, retrieval, sweep):
    for argument in ("--help", "dataset=nonsense", "grid.sed=1", "model=nonsense"):
        sys.argv = [entry.ENTRY.name, argument]
        try:
            entry.main()
        except SystemExit as end:
            assert end.code == 2 * (argument != "--help"), argument
print([name for name in ("jax", "flax", "optax", "matplotlib", "scipy") if name in sys.modules])
"""


@pytest.mark.slow
def test_help_and_the_refusal_of_a_name_do_not_wait_for_jax():
    said = subprocess.check_output([sys.executable, "-c", WITHOUT_JAX], stderr=subprocess.DEVNULL, text=True)
    assert said.splitlines()[-1] == "[]" and said.count("== Keys and their values") == 4


# ---- what is read from a command line


@each_command
def test_help_tells_what_can_be_set_and_the_studies_of_the_command_alone(command, run_entry: Callable[..., int], capfd):
    assert run_entry(command, "--help") == 0
    said = capfd.readouterr().out
    (studies,) = [line for line in said.splitlines() if line.startswith("study: ")]
    has = {"sweep": "figure2_ml-1m", "imitate": "figure3_small", "baselines": "baselines_ml-1m"}
    for name, study in has.items():
        assert (f" {study}," in studies.replace(": ", ", ") + ",") == (name == command.ENTRY.name)
    assert said.count(f"python -m experiments.{command.ENTRY.name}") >= 5
    for key in ("results_dir: results", "dry_run: false", "seed:"):
        assert key in said
    assert "_target_" not in said


def test_the_configuration_can_be_printed_with_the_arguments_given(run_entry: Callable[..., int], capfd):
    assert run_entry(sweep, "--cfg", "job", "model.embedding_dim=48") == 0
    assert "embedding_dim: 48" in capfd.readouterr().out


@pytest.mark.parametrize(("command", "num_jobs", "num_runs"), [(sweep, 3, 36), (imitate, 2, 2), (baselines, 6, 6)])
def test_a_command_without_arguments_is_a_small_study_on_made_up_data(command, num_jobs, num_runs, study):
    jobs = study(command).jobs
    assert (len(jobs), sum(len(job.runs) for job in jobs)) == (num_jobs, num_runs)
    if command is imitate:
        assert sum(job.config.num_users for job in jobs) <= 4000
    else:
        assert {job.config.dataset.name for job in jobs} == {"synthetic"}


def test_rows_are_given_the_command_as_it_was_typed(study):
    """Rows of old studies say `+study=NAME`, which Hydra reads as an option of the group study/sweep."""
    arguments = ["+study=figure2_ml-1m", "grid.seed=range(0,2)"]
    typed = study(sweep, *arguments)
    assert typed.arguments == arguments and len(typed.jobs) == 6
    assert "+study/sweep=figure2_ml-1m" in typed.jobs[0].overrides


@each_command
def test_a_command_hands_the_engine_its_figure_and_its_table(command, study):
    more = study(command, *(["+study=synthetic"] if command is sweep else [])).more
    assert more == {"draw": command.ENTRY.draw, "table": command.ENTRY.table, "space": ()}
