"""A study in a process of its own that is killed, and continued in this one."""

import subprocess

import pandas as pd
import pytest

from ncfjax.store import Store


@pytest.mark.slow
def test_a_killed_study_goes_on_where_it_stopped(
    run, store, results, tmp_path, task, toy_command, wait_for, without_clocks
):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    process = subprocess.Popen([*toy_command, results, "0.3"], text=True, **pipes)
    wait_for(process, lambda: len(store.completed()) >= 2)  # of two jobs of two runs each
    process.kill()
    process.communicate()
    assert 2 <= len(store.completed()) < 5
    whole = {"size": (1, 2), "grid.rate": [1, 2]}
    run(whole)
    run(whole, folder=tmp_path / "whole")
    expected = without_clocks(Store(tmp_path / "whole" / "toy", task.all_columns))
    pd.testing.assert_frame_equal(without_clocks(store), expected)
