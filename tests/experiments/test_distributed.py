"""Two processes with two devices each train one study: the table of one process, also after one of them was killed."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ncfjax import load_model

ARGUMENTS = (
    "grid.seed=[0,1]", "grid.learning_rate=[0.01,0.02]", "grid.regularization=0.005", "model.embedding_dim=4,8",
    "dataset.synthetic.num_users=90", "dataset.synthetic.num_items=130", "dataset.num_negatives=20", "num_epochs=10",
    "eval_every=10", "checkpoint_every=1", "objective=sampled", "optimizer=adam", "save_models=true",
)  # fmt: skip
LOST_SECONDS = 4
# The sweep's own command line, but that a process is given up sooner, and that nothing is drawn.
PROGRAM = f"""
from experiments import sweep
from experiments.engine import processes
processes._LOST_SECONDS = {LOST_SECONDS}
sweep.ENTRY = sweep.ENTRY._replace(draw=None)
sweep.main()
"""
CLOCKS = ["train_seconds", "compile_seconds", "device", "started_at", "command"]


def start(
    results: Path, devices: int, *more: str, folder: Path | None = None, arguments=ARGUMENTS, count: int = 1
) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "JAX_NUM_CPU_DEVICES": str(devices)}
    environment["PMI_SIZE"] = str(count)  # as a launcher says it to each of them
    command = [sys.executable, "-c", PROGRAM, *arguments, f"results_dir={results}", *more]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, env=environment, cwd=folder, **pipes)


def start_two(results: Path, *more: str, folders=(None, None), **options) -> list[subprocess.Popen]:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    place = "distributed=true", f"process.address={address}", "process.count=2"
    numbered = enumerate(folders)
    options |= {"count": 2}
    return [start(results, 2, *place, f"process.number={n}", *more, folder=folder, **options) for n, folder in numbered]


def ended(process: subprocess.Popen) -> tuple[int, str]:
    said, _ = process.communicate(timeout=120)
    return process.returncode, said


def wait_for(is_there: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not is_there() and time.monotonic() < until:
        time.sleep(0.02)
    assert is_there()


def rows(results: Path) -> pd.DataFrame:
    return pd.read_csv(results / "sweep" / "runs.csv").sort_values("run_id", ignore_index=True)


@pytest.mark.slow
def test_one_of_two_processes_is_killed_and_the_rerun_ends_in_the_table_of_one_process(tmp_path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    kept = together / "sweep" / "checkpoints"
    first, second = start_two(together)
    wait_for(lambda: kept.is_dir() and any(path.suffix == ".npz" for path in kept.iterdir()))
    second.kill()
    killed = time.monotonic()
    code, said = ended(first)
    assert code != 0 and time.monotonic() - killed < 60
    assert "another process is lost" in said or "another task" in said  # ours, or JAX's where no message was awaited
    second.communicate()

    assert [code for code, _ in map(ended, start_two(together))] == [0, 0]
    assert ended(start(alone, 4))[0] == 0
    one, two = rows(alone), rows(together)
    assert two["device"].str.contains(", 2 processes").all() and not one["device"].str.contains("processes").any()
    pd.testing.assert_frame_equal(two.drop(columns=CLOCKS), one.drop(columns=CLOCKS))
    for run_id in one["run_id"]:
        ranks = [dict(np.load(folder / "sweep" / "ranks" / f"{run_id}.npz")) for folder in (alone, together)]
        assert all(np.array_equal(ranks[0][name], ranks[1][name]) for name in ("sampled", "full"))
    assert not list(kept.iterdir())

    # What two processes have saved is read by one, whatever devices it has.
    run_id = one["run_id"][one["model"] == "dot"].iloc[0]
    expected = load_model(alone / "sweep" / "models" / run_id).score_all([0, 5])
    read = "import jax, sys; jax.config.update('jax_num_cpu_devices', {}); from ncfjax import load_model\n"
    read += "print(load_model(sys.argv[1]).score_all([0, 5]).tolist())"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    folder = str(together / "sweep" / "models" / run_id)
    readers = [
        subprocess.Popen([sys.executable, "-c", read.format(n), folder], stdout=subprocess.PIPE, env=environment)
        for n in (1, 5, 8)
    ]
    for reader in readers:
        np.testing.assert_array_equal(np.array(eval(reader.communicate()[0]), np.float32), expected)


@pytest.mark.slow
def test_what_one_process_refuses_all_refuse(tmp_path):
    folders = tmp_path / "with", tmp_path / "without"
    for folder in folders:
        folder.mkdir()
    lines = [f"{user},{item}" for user in range(30) for item in range(user % 7, 40, 3)]
    (folders[0] / "data.csv").write_text("\n".join(["user,item", *lines]))
    arguments = "dataset=csv", "dataset.path=data.csv", "dataset.num_negatives=10", "num_epochs=1", "eval_every=1"
    first, second = map(ended, start_two(tmp_path / "results", folders=folders, arguments=arguments))
    assert (first[0], second[0]) == (2, 2)
    assert "process 1 of 2 refuses what this one would do; its own message says why" in first[1]
    assert "data.csv: expected a file" in second[1]
    assert not (tmp_path / "results").exists()
