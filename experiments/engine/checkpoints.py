"""What is kept of a block while it trains: its members, and what was measured of them so far.

A block that is started again goes on from the last epoch that all of its members have a checkpoint of. Its numbers are
those of a block that was never stopped, to the bit on a CPU: a member goes on only in a group as wide as before, as
products of another shape are rounded otherwise.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.engine import device
from experiments.engine.evaluation import Evaluation
from experiments.engine.processes import is_first, is_same
from experiments.engine.progress import log
from experiments.engine.task import Task
from ncfjax.saved.checkpoints import (
    Checkpoint,
    epochs_of,
    load_checkpoint,
    remove_checkpoints,
    save_checkpoint,
)
from ncfjax.training.blocks import State
from ncfjax.training.program import Program, Run, abstract_train_state

FOLDER = "checkpoints"  # of a study's folder
# The override with which a search keeps first looks; a user's own is written "true", and final runs take it over.
KEEP = "keep_checkpoints=True"
_VALUE = "value."  # before the name of a metric
_COPIES = 2  # of what is kept: as it is taken off the device, and as bytes


class Restored(NamedTuple):
    state: State
    evaluations: list[Evaluation]
    seconds: float  # of training so far, of the whole block


class Checkpoints:
    """Of the members of one block, by the names of their runs."""

    def __init__(self, folder: Path, names: Sequence[str], every: int | None, keeps_last: bool = False):
        self.folder, self.names, self.every, self.keeps_last = folder, list(names), every, keeps_last
        self.remarks: list[str] = []  # which of its epochs another machine has trained

    def is_due(self, epoch: int, num_epochs: int) -> bool:
        """Whether the block is to be kept after an epoch: the last one only where it outlives the run."""
        if epoch == num_epochs:
            return self.keeps_last
        return self.every is not None and epoch % self.every == 0

    def save(self, program: Program, state: State, evaluations: Sequence[Evaluation], seconds: float) -> None:
        """Keeps all members; only then their earlier checkpoints go. `seconds` are those of the whole block."""
        train_states = program.train_states(state)  # of all processes, if there are several
        if not is_first():
            return
        shared = {
            "seconds": np.array(seconds / len(self.names)),
            "width": np.array(program.block.width),
            "device": np.array(device.described()),
            "remarks": np.array(self.remarks, str),
        }
        for i, (name, train_state) in enumerate(zip(self.names, train_states, strict=True)):
            save_checkpoint(self.folder, name, state.epoch, train_state, _kept(evaluations, i) | shared)
        self.remove(state.epoch - 1)

    def restored(self, program: Program, evaluated: Sequence[int]) -> Restored | None:
        """Where a block goes on that is evaluated after these epochs; None where it begins anew, which is told.

        What is measured of its members is not kept: an epoch that is evaluated is evaluated again.
        """
        members = self._loaded(program, evaluated[-1])
        if not members:
            return None
        epoch, kept = members[0].epoch, [member.kept for member in members]
        before = [number for number in evaluated if number < epoch]
        widths = {int(one["width"]) for one in kept}
        if widths != {program.block.width}:
            width = " and ".join(map(str, sorted(widths)))
            return self._anew(f"it was trained {width} runs wide, and is {program.block.width} wide now")
        if any(set(before) - set(one["epochs"].tolist()) for one in kept):
            return self._anew("it was evaluated less often: eval_every was another one")
        where = {str(one["device"]) for one in kept} - {device.described()}
        self.remarks = sorted({str(remark) for one in kept for remark in one["remarks"]})
        self.remarks += [f"up to epoch {epoch} on {one}" for one in sorted(where)]
        state = program.go_on([member.train_state for member in members], epoch)
        seconds = sum(float(one["seconds"]) for one in kept)
        return Restored(state, [_evaluation(kept, number) for number in before], seconds)

    def _loaded(self, program: Program, most_epochs: int) -> list[Checkpoint]:
        """The members after the last epoch that all have a checkpoint of; none where there is none that is sound."""
        shared = set.intersection(*(epochs_of(self.folder, name) for name in self.names))
        epoch = max((number for number in shared if number <= most_epochs), default=0)
        members, problem = [], ""
        if epoch:
            try:
                abstract = program.abstract_train_state
                members = [load_checkpoint(self.folder, name, epoch, abstract) for name in self.names]
            except (ValueError, OSError) as error:
                problem = str(error)
        if not is_same(members[0].epoch if members else 0):
            problem, members = "not every process can read it", []
        if problem:
            self._anew(problem)
        return members

    def _anew(self, why: str) -> None:
        log(f"a checkpoint in {self.folder} is not used, and training begins anew: {why}")

    def remove(self, last: int) -> None:
        """Those up to an epoch: when a later one, or the rows, are there."""
        for name in self.names if is_first() else ():
            remove_checkpoints(self.folder, name, last)


def kept_bytes(config: Any, run: Run) -> int:
    """Memory for each member while it is kept, if any is: of the host, which counts where devices share it.

    All trials of a tuning count it, first looks and the whole ones that go on from them: in groups as wide.
    """
    is_kept = config.checkpoint_every or config.keep_checkpoints or getattr(config, "phase", "") == "tune"
    if not is_kept or jax.default_backend() != "cpu":
        return 0
    return _COPIES * sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(abstract_train_state(run)))


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
