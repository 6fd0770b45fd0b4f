"""Writers that are killed, and several of them in one folder: the tables are those of one undisturbed writer."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.tables import contents, fill, fill_first_version

ROOT = Path(__file__).parents[2]

_CHILD = f"""
import os, random, signal, sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tests.store.tables import fill

def killed_at_call(folder, seeds, number):
    "Forks a writer whose system call `number` is torn in half and is its last; True if it came that far."
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    calls = iter(range(1_000_000))
    def torn(function, tear):
        def call(*args, **more):
            if next(calls) == number:
                tear(*args)
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **more)
        return call
    write, nothing = os.write, lambda *args: None
    os.write = torn(write, lambda file, data: write(file, data[: len(data) // 2]))
    for name in ("fsync", "replace", "truncate"):
        setattr(os, name, torn(getattr(os, name), nothing))
    fill(folder, seeds)
    os._exit(0)

def killed_after(folder, seeds, seconds):
    child = os.fork()
    if child == 0:
        fill(folder, seeds)
        os._exit(0)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])
"""


def in_subprocess(script: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD + script, folder], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_kill_at_any_system_call_and_a_rerun_give_the_same_tables(tmp_path):
    script = """
number = 0
while killed_at_call(Path(sys.argv[1]) / str(number), range(3), number):
    fill(Path(sys.argv[1]) / str(number), range(3))
    number += 1
print(number)
"""
    num_calls = int(in_subprocess(script, tmp_path / "killed"))
    expected = contents(fill(tmp_path / "whole", range(3)).folder)
    assert num_calls >= 3 * 7
    for number in range(num_calls):
        assert contents(tmp_path / "killed" / str(number)) == expected, number
        assert not list((tmp_path / "killed" / str(number)).rglob("*.part"))


@pytest.mark.slow
def test_a_kill_at_any_system_call_of_an_upgrade_leaves_the_old_table_or_the_new_one(tmp_path):
    before = fill_first_version(tmp_path / "old", range(3))
    script = """
import shutil
number, folder = 0, Path(sys.argv[1])
while True:
    shutil.copytree(folder.parent / "old", folder / str(number))
    if not killed_at_call(folder / str(number), range(4), number):
        break
    shutil.copy(folder / str(number) / "runs.csv", folder / f"{number}.csv")
    fill(folder / str(number), range(4))
    number += 1
print(number)
"""
    (tmp_path / "killed").mkdir()
    num_calls = int(in_subprocess(script, tmp_path / "killed"))
    expected = contents(fill(tmp_path / "whole", range(4)).folder)
    upgraded = (fill(tmp_path / "three", range(3)).folder / "runs.csv").read_bytes()
    left = [(tmp_path / "killed" / f"{number}.csv").read_bytes() for number in range(num_calls)]
    assert left[0] == before and all(table == before or table.startswith(upgraded) for table in left)
    assert sum(table == before for table in left) >= 3
    for number in range(num_calls):
        assert contents(tmp_path / "killed" / str(number)) == expected, number
        assert not list((tmp_path / "killed" / str(number)).rglob("*.part"))


@pytest.mark.slow
def test_kills_at_random_moments_and_reruns_give_the_same_tables(tmp_path):
    script = """
random.seed(0)
folder, stored = Path(sys.argv[1]), 0
for kill in range(30):  # each in the midst of more runs than any disk stores in 0.05 s
    assert killed_after(folder, range(stored, stored + 10_000), random.uniform(0.0, 0.05))
    stored = len(fill(folder, []).completed())
fill(folder, range(stored + 3))
print(stored + 3)
"""
    num_runs = int(in_subprocess(script, tmp_path / "killed"))
    assert num_runs > 3
    assert contents(tmp_path / "killed") == contents(fill(tmp_path / "whole", range(num_runs)).folder)


@pytest.mark.slow
@pytest.mark.parametrize("is_old", [False, True])
def test_two_writers_and_a_killed_third_share_one_study(tmp_path, is_old):
    if is_old:
        fill_first_version(tmp_path / "shared", range(20))
    script = """
folder, writers = Path(sys.argv[1]), []
for seeds in (range(100), range(50, 150)):
    writers.append(os.fork())
    if writers[-1] == 0:
        fill(folder, seeds)
        os._exit(0)
for kill in range(10):
    killed_after(folder, range(150, 160), 0.03)
assert [os.waitpid(writer, 0)[1] for writer in writers] == [0, 0]
fill(folder, range(160))
"""
    in_subprocess(script, tmp_path / "shared")
    assert contents(tmp_path / "shared") == contents(fill(tmp_path / "whole", range(160)).folder)
