"""A block that is stopped in the middle of its training, and started again: the same bits, and little lost."""

import io
from typing import Any

import numpy as np
import pytest

from experiments.cli.compose import configured
from experiments.engine import checkpoints as module
from experiments.engine.checkpoints import Checkpoints, checkpoints_of
from experiments.engine.evaluation import Evaluation
from experiments.engine.jobs import blocks_of
from experiments.engine.progress import Progress
from experiments.engine.run import run_job
from experiments.engine.work import Result
from experiments.sweep import ENTRY
from ncfjax.saved.checkpoints import save_checkpoint
from ncfjax.training import program
from ncfjax.training.blocks import Block, State

TASK = ENTRY.task
SETTINGS = (
    "grid.learning_rate=[0.01,0.02]", "grid.regularization=0.005", "grid.seed=0", "num_epochs=7", "eval_every=3",
    "checkpoint_every=2", "objective=sampled", "optimizer=adam",
)  # fmt: skip


class Program:
    """Members without a state."""

    abstract_train_state: dict = {}

    def __init__(self, names: list[str], width: int):
        self.names, self.block = names, Block([names], width)

    def train_states(self, state: State) -> list[dict]:
        return [{} for _ in self.names]

    def go_on(self, train_states: list[dict], epoch: int) -> State:
        return State(train_states, epoch)


def evaluation(epoch: int) -> Evaluation:
    return Evaluation(epoch, {"ndcg@10": np.full(2, 0.1 * epoch)}, np.zeros(2, bool), None)


class Killed(BaseException):
    """As a kill: nothing catches it."""


@pytest.fixture
def config(tiny_data, tmp_path):
    return lambda *more: configured(ENTRY, *tiny_data, *SETTINGS, f"results_dir={tmp_path}", *more)


@pytest.fixture
def trained_epochs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The epochs that a program was asked to begin with; it dies where `dies_at` is reached."""
    epochs: list[int] = []
    advance = program.Program.advance

    def counted(self, state, num_epochs):
        if num_epochs:
            epochs.extend(range(state.epoch, state.epoch + num_epochs))
        return advance(self, state, num_epochs)

    monkeypatch.setattr(program.Program, "advance", counted)
    return epochs


def results(config: Any) -> dict[Any, Result]:
    work = TASK.opened(config)
    (block,) = blocks_of(TASK, work, config, set())
    return dict(work.run(block, Progress(1.0, "", io.StringIO(), has_bar=False)))


def killed_after(config: Any, epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        advance = program.Program.advance

        def dying(self, state, num_epochs):
            if num_epochs and state.epoch + num_epochs > epoch:
                raise Killed
            return advance(self, state, num_epochs)

        patch.setattr(program.Program, "advance", dying)
        with pytest.raises(Killed):
            results(config)


@pytest.mark.slow
@pytest.mark.parametrize("epoch", [1, 3, 6])
def test_a_run_that_was_killed_ends_in_the_same_bits_and_loses_fewer_epochs_than_asked(
    epoch, config, monkeypatch, trained_epochs
):
    whole = results(config("checkpoint_every=null"))
    killed_after(config(), epoch, monkeypatch)
    trained_epochs.clear()
    again = results(config())
    assert trained_epochs[0] == epoch - epoch % 2  # at most checkpoint_every - 1 epochs are trained again
    for point, result in whole.items():
        other = again[point]
        assert result.curve == other.curve
        assert all(other.cells[name] == result.cells[name] for name in ("ndcg@10", "full_ndcg@10", "epoch"))
        for name, ranks in result.arrays.items():
            np.testing.assert_array_equal(other.arrays[name], ranks)


@pytest.mark.slow
def test_a_longer_run_goes_on_where_a_shorter_one_was_kept(config, trained_epochs):
    whole = results(config("checkpoint_every=null"))
    results(config("num_epochs=4", "keep_checkpoints=true", "checkpoint_every=null"))
    trained_epochs.clear()
    longer = results(config("checkpoint_every=null"))
    assert trained_epochs[0] == 4
    assert [result.curve for result in longer.values()] == [result.curve for result in whole.values()]


@pytest.mark.slow
def test_what_is_damaged_begins_anew_and_says_so(config, capsys, trained_epochs, monkeypatch):
    killed_after(config(), 4, monkeypatch)
    files = sorted(checkpoints_of(TASK, config(), []).folder.iterdir())
    assert len(files) == 2
    files[0].write_bytes(b"")
    trained_epochs.clear()
    results(config())
    said = capsys.readouterr().out
    assert trained_epochs[0] == 0 and f"{files[0]}: expected a sound checkpoint" in said and "begins anew" in said


@pytest.mark.slow
def test_a_kill_while_members_are_saved_goes_on_from_the_epoch_that_all_have(config, trained_epochs, monkeypatch):
    whole, saved = results(config("checkpoint_every=null")), []

    def dying(*arguments):
        saved.append(arguments[2])
        if saved.count(4) == 2:
            raise Killed
        return save_checkpoint(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, "save_checkpoint", dying)
        with pytest.raises(Killed):
            results(config())
    trained_epochs.clear()
    again = results(config())
    assert trained_epochs[0] == 2 and saved == [2, 2, 4, 4]
    assert [result.curve for result in again.values()] == [result.curve for result in whole.values()]


@pytest.mark.parametrize(
    ("width", "evaluated", "why"),
    [(2, [3, 6, 7], "it was trained 1 runs wide, and is 2 wide now"), (1, [1, 2, 4], "eval_every was another one")],
    ids=["another width", "other evaluations"],
)
def test_what_would_give_other_numbers_begins_anew_and_says_why(width, evaluated, why, tmp_path, capsys):
    for name in "ab":
        alone = Program([name], 1)
        Checkpoints(tmp_path, alone.names, 1).save(alone, State({}, 3), [evaluation(1), evaluation(3)], 10.0)
    assert Checkpoints(tmp_path, ["a", "b"], 1).restored(Program(["a", "b"], width), evaluated) is None
    assert why in capsys.readouterr().out


def test_the_seconds_of_a_block_are_those_that_its_members_took(tmp_path, monkeypatch):
    """Two trained together for 30 s, one alone for 10: a block of the three took 40, whoever comes first."""
    together, alone = Program(["a", "b"], 1), Program(["c"], 1)
    Checkpoints(tmp_path, together.names, 1).save(together, State({}, 3), [evaluation(3)], 30.0)
    Checkpoints(tmp_path, alone.names, 1).save(alone, State({}, 3), [evaluation(3)], 10.0)
    for names, seconds in (("abc", 40.0), ("cab", 40.0), ("a", 15.0)):
        restored = Checkpoints(tmp_path, list(names), 1).restored(Program(list(names), 1), [3, 6])
        assert (restored.seconds, restored.state.epoch, restored.evaluations) == (seconds, 3, [])
    monkeypatch.setattr(module.device, "described", lambda: "another machine")
    elsewhere = Checkpoints(tmp_path, ["a"], 1)
    elsewhere.restored(Program(["a"], 1), [3, 6])
    assert len(elsewhere.remarks) == 1 and elsewhere.remarks[0].startswith("up to epoch 3 on cpu x")


@pytest.mark.slow
def test_checkpoints_go_when_the_rows_are_there_unless_they_are_to_be_kept(config):
    for more, left in ((), 0), (("keep_checkpoints=true",), 2):
        one = config(f"study.name=left-{left}", *more)
        run_job(TASK, one, {"version": "0", "commit": "", "command": ""})
        folder = checkpoints_of(TASK, one, []).folder
        assert folder.name == module.FOLDER and len(list(folder.iterdir())) == left


def test_epochs_that_are_compared_by_their_rankings_are_not_kept(config):
    with pytest.raises(ValueError, match="checkpoint_every: expected nothing, as select_epoch=test"):
        config("select_epoch=test")
