"""An entry point, and the words of its command line: keys, groups and studies, and the nearest right name.

A study lies in conf/study/ENTRY/ and belongs to the entry point by its folder. `+study=NAME` is what a user types;
Hydra reads it as the option NAME of the group study/ENTRY.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString, ValueType

from experiments.cli.typed import as_typed, expanded
from experiments.engine.checks import ConfigError
from experiments.engine.config import CONF, nested
from experiments.engine.task import Draw, Table, Task
from ncfjax.keys import nearest

_SEARCHPATH = "hydra.searchpath"
_HYDRAS_FOLDERS = {"hydra.sweep.dir", "hydra.sweep.subdir", "hydra.run.dir"}
SWEEPER = "ncfjax"
RESERVED = {"phase": "set by tune=true, not by hand"}


class EntryPoint(NamedTuple):
    """One `python -m experiments.NAME`, configured by conf/NAME.yaml."""

    task: Task
    draw: Draw | None = None  # the figure of a study's tables, at its end
    table: Table | None = None  # of the rows of a study, in the place of the engine's own

    @property
    def name(self) -> str:
        return self.task.name

    def register(self, folders: Sequence[Path]) -> None:
        """Makes its keys known to conf/NAME.yaml, which lists them first, and what the files there compute with."""
        self.task.register()
        ConfigStore.instance().store(name=f"{self.name}_schema", node=nested(self.task.schema(folders)))


def other_sweeper(got: object) -> str:
    return f"hydra/sweeper: expected {SWEEPER}, which plans, checks and sums up a study, got {got}"


def options(task: Task) -> dict[str, list[str]]:
    """Group -> its options: the folders of conf/ and their files."""
    folders = {group: CONF / group for group in task.groups} | {"study": CONF / "study" / task.name}
    return {group: sorted(file.stem for file in folder.glob("*.yaml")) for group, folder in folders.items()}


def as_hydra_reads_it(task: Task, argument: str) -> str:
    """+study=NAME as an option of the entry point's own group; and as `typed` gives it."""
    start, study, name = typed(task, argument).partition("+study=")
    return f"+study/{task.name}={name}" if study and start in ("", "+") else start + study + name


def typed(task: Task, argument: str) -> str:
    """An argument whose names and paths Hydra reads as they were typed."""
    return as_typed(_at_home(argument), {"study", f"study/{task.name}", *task.groups, *task.texts, *_HYDRAS_FOLDERS})


def _at_home(argument: str) -> str:
    """One that says where files lie, with the home folders that ~ stands for."""
    return expanded(argument) if argument.startswith(("--config-dir=", f"{_SEARCHPATH}=")) else argument


def parse(arguments: Sequence[str]) -> list[Override]:
    """Those that set a key; flags are Hydra's."""
    lines = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
    return OverridesParser.create().parse_overrides(lines)


def listed(arguments: Sequence[str]) -> list[str]:
    """KEY=A,B as KEY=[A,B], for a command that sweeps nothing."""

    def one(argument: str) -> str:
        override = next(iter(parse([argument])), None)
        if override is None or not override.is_discrete_sweep():
            return argument
        return f"{override.get_key_element()}=[{','.join(override.sweep_string_iterator())}]"

    return [one(argument) for argument in arguments]


def check_arguments(task: Task, arguments: Sequence[str]) -> None:
    """Compares keys and group options with those that there are; Hydra's own messages do not name the nearest one.

    Raises:
        ConfigError: naming the key and the nearest right name.
        HydraException: an argument that cannot be parsed.
    """
    folders = folders_of(arguments)
    # Where a user has own files, Hydra's search path decides which there are.
    offered, valid = options(task) if folders == [CONF] else {}, list(task.schema(folders))
    for override in parse([typed(task, argument) for argument in arguments]):
        if override.key_or_group in ("hydra/sweeper", "hydra.sweeper._target_") and _named(override) != [SWEEPER]:
            raise ConfigError(other_sweeper(override.input_line.partition("=")[2]))
        if override.key_or_group == "hydra.mode" and str(override.value()) != "MULTIRUN":
            raise ConfigError(f"hydra.mode: expected MULTIRUN, which plans and sums up a study, got {override.value()}")
        if not override.is_hydra_override():
            _check_override(task, override, offered, valid)
            if override.key_or_group == "study":
                for folder in folders:
                    _check_files(task, folder / "study", _named(override))


def folders_of(arguments: Sequence[str]) -> list[Path]:
    """Where Hydra looks for files: conf/, and what a user names."""
    arguments = [_at_home(argument) for argument in arguments]
    named = [override.value() for override in parse([one for one in arguments if one.startswith(f"{_SEARCHPATH}=")])]
    named.append([folder for flag, folder in itertools.pairwise(arguments) if flag in ("--config-dir", "-cd")])
    named.append([flag.partition("=")[2] for flag in arguments if flag.startswith("--config-dir=")])
    return [CONF, *(Path(str(path).removeprefix("file://")) for folders in named for path in folders or [])]


def _check_override(task: Task, override: Override, offered: dict[str, list[str]], valid: list[str]) -> None:
    key = override.key_or_group
    if key == "study" and not override.is_add():
        raise ConfigError(
            f"{override.input_line}: +study=NAME runs conf/study/{task.name}/NAME.yaml, study.name=NAME chooses the "
            f"folder of the results; valid names: {', '.join(options(task)['study'])}"
        )
    if key in ("study", *task.groups):
        if override.value() is None and not override.is_delete():
            raise ConfigError(f"{key}: expected one of {', '.join(options(task)[key])}, got null")
        for name in _named(override):
            if name not in offered.get(key, [name]):
                raise ConfigError(f"{key}={name}: no such {key}, {nearest(name, offered[key])}{_elsewhere(key, name)}")
    elif key in RESERVED:
        raise ConfigError(f"{key}: {RESERVED[key]}")
    elif key not in valid and not (parts := [name for name in valid if name.startswith(f"{key}.")]):
        raise ConfigError(f"{key}: no such key, {nearest(key, valid)}")
    elif key not in valid and not override.is_delete() and override.value() is None:
        raise ConfigError(f"{key}: expected its keys ({', '.join(parts)}), got null")


def _named(override: Override) -> list[str]:
    """The options that a group override names; none where it gives keys, a pattern or nothing."""
    if override.value_type in (ValueType.CHOICE_SWEEP, ValueType.SIMPLE_CHOICE_SWEEP):
        values = override.sweep_iterator()
        return [value.text if isinstance(value, QuotedString) else str(value) for value in values]
    value = override.value()
    return [value] if isinstance(value, str) else []


def _elsewhere(key: str, name: str) -> str:
    """Which command a study of another entry point is for."""
    folders = [file.parent.name for file in (CONF / "study").glob(f"*/{name}.yaml")] if key == "study" else []
    return f"; python -m experiments.{folders[0]} +study={name} has one" if folders else ""


def _check_files(task: Task, folder: Path, names: Sequence[str]) -> None:
    """A study file lies in the folder of its command, and says that its keys are those of the whole configuration."""
    for name in names:
        file, elsewhere = folder / task.name / f"{name}.yaml", folder / f"{name}.yaml"
        if elsewhere.is_file() and not file.is_file():
            raise ConfigError(f"{elsewhere}: expected it in {file.parent}, whose command runs it")
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else ["# @package _global_"]
        head = itertools.takewhile(lambda line: not line.strip() or line.lstrip().startswith("#"), lines)
        if not any(line.split()[:3] == ["#", "@package", "_global_"] for line in head):
            raise ConfigError(f"{file}: expected the line `# @package _global_` before its keys, got none")
