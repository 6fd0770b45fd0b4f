"""What is kept of a block while it trains: its members, and what was measured of them so far.

A block that is started again goes on from the last epoch that all of its members have a checkpoint of. Its numbers are
those of a block that was never stopped, to the bit on a CPU: a member goes on only in a group as wide as before, as
products of another shape are rounded otherwise.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.engine.evaluation import Evaluation
from experiments.engine.processes import is_first
from experiments.engine.progress import log
from experiments.engine.task import Task
from ncfjax.saved.checkpoints import load_checkpoint, remove_checkpoints, save_checkpoint
from ncfjax.training.blocks import State
from ncfjax.training.program import Program

FOLDER = "checkpoints"  # of a study's folder
KEEP = "keep_checkpoints=true"  # the override with which what follows goes on from a run that is done
_VALUE = "value."  # before the name of a metric


class Restored(NamedTuple):
    state: State
    evaluations: list[Evaluation]
    seconds: float  # of training so far


class Checkpoints:
    """Of the members of one block, by the names of their runs."""

    def __init__(self, folder: Path, names: Sequence[str], every: int | None, keeps_last: bool = False):
        self.folder, self.names, self.every, self.keeps_last = folder, list(names), every, keeps_last

    def is_due(self, epoch: int, num_epochs: int) -> bool:
        """Whether the block is to be kept after an epoch: the last one only where it outlives the run."""
        if epoch == num_epochs:
            return self.keeps_last
        return self.every is not None and epoch % self.every == 0

    def save(self, program: Program, state: State, evaluations: Sequence[Evaluation], seconds: float) -> None:
        train_states = program.train_states(state)  # of all processes, if there are several
        for i, (name, train_state) in enumerate(zip(self.names, train_states, strict=True)):
            if not is_first():
                return
            kept = _kept(evaluations, i) | {"seconds": np.float64(seconds), "width": np.int64(program.block.width)}
            save_checkpoint(self.folder, name, state.epoch, train_state, kept)

    def restored(self, program: Program, evaluated: Sequence[int]) -> Restored | None:
        """Where a block goes on that is evaluated after these epochs; None where it begins anew.

        What is measured of its members is not kept: an epoch that is evaluated is evaluated again.
        """
        abstract = program.abstract_train_state
        try:
            members = [load_checkpoint(self.folder, name, abstract, evaluated[-1]) for name in self.names]
        except ValueError as error:
            log(f"{error}; training begins anew")
            return None
        if None in members or len({member.epoch for member in members}) > 1:
            return None
        epoch, kept = members[0].epoch, [member.kept for member in members]
        before = [number for number in evaluated if number < epoch]
        is_same = all(int(one["width"]) == program.block.width for one in kept)
        if not is_same or any(set(before) - set(one["epochs"].tolist()) for one in kept):
            return None
        state = program.go_on([member.train_state for member in members], epoch)
        return Restored(state, [_evaluation(kept, number) for number in before], float(kept[0]["seconds"]))

    def remove(self) -> None:
        """When the rows are there."""
        for name in self.names if is_first() else ():
            remove_checkpoints(self.folder, name)


def checkpoints_of(task: Task, config: Any, points: Sequence[Any]) -> Checkpoints:
    """As a configuration asks for them."""
    names = [task.checkpoint_id(config, point) for point in points]
    folder = Path(config.results_dir) / config.study.name / FOLDER
    return Checkpoints(folder, names, config.checkpoint_every, config.keep_checkpoints)


def _kept(evaluations: Sequence[Evaluation], i: int) -> dict[str, np.ndarray]:
    """What was measured of one member, by name."""
    arrays = {
        "epochs": np.array([evaluation.epoch for evaluation in evaluations], np.int64),
        "diverged": np.array([evaluation.diverged[i] for evaluation in evaluations], bool),
    }
    for name in evaluations[0].values if evaluations else ():
        arrays[_VALUE + name] = np.array([evaluation.values[name][i] for evaluation in evaluations])
    return arrays


def _evaluation(kept: Sequence[Mapping[str, np.ndarray]], epoch: int) -> Evaluation:
    """Of a block after an epoch, from what is kept of its members."""
    places = [one["epochs"].tolist().index(epoch) for one in kept]

    def of_members(name: str) -> np.ndarray:
        return np.array([one[name][place] for one, place in zip(kept, places, strict=True)])

    values = {name.removeprefix(_VALUE): of_members(name) for name in kept[0] if name.startswith(_VALUE)}
    return Evaluation(epoch, values, of_members("diverged"), None)
