"""A study whose jobs Hydra's launchers run elsewhere: the rows of one process, and what a job that fails leaves."""

import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from absl import logging

from experiments import sweep
from ncfjax.store import Store

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("slurm.sh")
STUDY = (
    "+study=synthetic", "model.embedding_dim=4,8", "dataset.synthetic.num_users=30", "dataset.synthetic.num_items=60",
    "dataset.synthetic.interactions_per_user=5", "dataset.num_negatives=20", "grid.learning_rate=0.01",
    "grid.regularization=0.01", "grid.seed=0", "num_epochs=3", "eval_every=2",
)  # fmt: skip
ELSEWHERE = ["train_seconds", "compile_seconds", "started_at", "device", "commit", "command"]


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[[], Ended]


def run(folder: Path, *arguments: str) -> Ended:
    """`python -m experiments.sweep STUDY ARGUMENTS`, in this process."""
    code, out, err = 0, io.StringIO(), io.StringIO()
    # Texts: submitit keeps the streams that there are when it is imported, and capfd closes its own.
    with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "ENTRY", sweep.ENTRY._replace(draw=None))
        patch.setattr(sys, "argv", ["sweep.py", *STUDY, f"results_dir={folder}", *arguments])
        try:
            sweep.main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Ended(code, out.getvalue(), err.getvalue())


def store_of(folder: Path) -> Store:
    return Store(folder / "sweep", sweep.ENTRY.task.all_columns)


def rows(folder: Path) -> pd.DataFrame:
    return store_of(folder).runs().drop(columns=ELSEWHERE).sort_values("run_id", ignore_index=True)


def curves(folder: Path) -> pd.DataFrame:
    return store_of(folder).curves().sort_values(["run_id", "epoch", "metric"], ignore_index=True)


@pytest.fixture(scope="module", autouse=True)
def open_streams() -> None:
    """submitit resets logging: absl then closes the stream that it began with, pytest's, if another is in place."""
    logging.get_absl_handler().python_handler.stream = sys.__stderr__


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the study as one process runs it."""
    folder = tmp_path_factory.mktemp("one")
    assert run(folder).code == 0
    return folder


def check(one_process: Path, folder: Path, launch: Run, again: Run) -> Ended:
    """Runs the study by a launcher, where one of its jobs cannot store its run, and again; returns how that began."""
    expected = rows(one_process)
    (lost,) = expected["run_id"][expected["embedding_dim"] == 8]
    in_the_way = folder / "sweep" / "ranks" / f"{lost}.npz"
    in_the_way.mkdir(parents=True)
    failed = launch()
    assert failed.code == 1, failed.err
    (named,) = [line for line in failed.err.splitlines() if line.startswith("ncfjax: ")]
    assert named.startswith("ncfjax: 1 of 2 jobs failed: model.embedding_dim=8: ") and in_the_way.name in named
    assert named.endswith("; the same command runs what is missing") and "Traceback" not in failed.err
    assert set(expected["run_id"]) - set(rows(folder)["run_id"]) == {lost}
    in_the_way.rmdir()
    ended = again()
    assert ended.code == 0, ended.err
    assert "2 jobs, 2 runs: 1 to train, 1 done before" in ended.out
    pd.testing.assert_frame_equal(rows(folder), expected)
    pd.testing.assert_frame_equal(curves(folder), curves(one_process))
    for path in (one_process / "sweep" / "ranks").iterdir():
        with np.load(path) as one, np.load(folder / "sweep" / "ranks" / path.name) as elsewhere:
            assert one.files == elsewhere.files and all((one[name] == elsewhere[name]).all() for name in one.files)
    return failed


def needs(module: str, extra: str) -> pytest.MarkDecorator:
    is_there = importlib.util.find_spec(module) is not None
    return pytest.mark.skipif(not is_there, reason=f"needs the extra {extra} of the package")


@needs("submitit", "submitit")
def test_submitit_on_this_machine_gives_the_rows_of_one_process_and_names_a_job_that_fails(
    one_process: Path, tmp_path: Path
):
    check(one_process, tmp_path, partial(run, tmp_path, "hydra/launcher=submitit_local"), partial(run, tmp_path))
    logs = sorted(path.suffix for path in (tmp_path / "sweep" / ".submitit").glob("*/*_log.*"))
    assert logs == [".err"] * 2 + [".out"] * 2


@needs("ray", "ray")
def test_ray_gives_the_rows_of_one_process_and_names_a_job_that_fails(one_process: Path, tmp_path: Path):
    """In a process of its own: Ray ends with it."""

    def by_ray() -> Ended:
        command = [sys.executable, "-m", "experiments.sweep", *STUDY, f"results_dir={tmp_path}", "hydra/launcher=ray"]
        without_token = os.environ | {"RAY_AUTH_MODE": "disabled"}
        done = subprocess.run(command, env=without_token, capture_output=True, text=True, timeout=300)
        return Ended(done.returncode, done.stdout, done.stderr)

    assert "os.fork" not in check(one_process, tmp_path, by_ray, by_ray).err


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A SLURM of this machine alone, up while a test runs."""
    if missing := [name for name in ("munged", "slurmctld", "slurmd", "srun") if shutil.which(name) is None]:
        pytest.skip(f"needs {', '.join(missing)} (Debian: munge, slurmctld, slurmd, slurm-client)")
    folder = Path(tempfile.gettempdir()) / f"ncfjax-slurm-{os.getpid()}"  # munged's user has to come in
    subprocess.run([SCRIPT, "start", folder], check=True, timeout=60)
    try:
        monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        yield
    finally:
        subprocess.run([SCRIPT, "stop", folder], check=True, timeout=60)
        assert not folder.exists()


@needs("submitit", "submitit")
def test_slurm_gives_the_rows_of_one_process_and_names_a_job_that_fails(
    one_process: Path, tmp_path: Path, slurm: None, capfd
):
    by_slurm = partial(run, tmp_path, "hydra/launcher=submitit_slurm")
    failed = check(one_process, tmp_path, by_slurm, partial(run, tmp_path))
    said = failed.out + failed.err + "".join(capfd.readouterr())
    assert "sacct" not in said and "accounting" not in said
