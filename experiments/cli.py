"""What every entry point does with a command line before and after Hydra: names checked, errors explained, exit codes.

A wrong key or value ends a command with one message, the nearest right name and exit code 2, before anything is
compiled. A study belongs to the entry point whose command its head comment states.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.core.utils import env_override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.config import CONF, ConfigError, nearest
from ncfjax.store import StoreError

_USAGE, _FAILURE, _INTERRUPTED = 2, 1, 130  # exit codes


class EntryPoint(NamedTuple):
    """One `python -m experiments.NAME`, configured by conf/NAME.yaml."""

    name: str
    keys: Callable[[], list[str]]  # that a command may set
    groups: tuple[str, ...]  # folders of conf/ that it chooses from
    register: Callable[[], None]  # makes its schema and its sweeper known to Hydra
    run: Callable[[DictConfig, dict[str, str]], int]  # one job and its provenance
    arguments: tuple[str, ...]  # where the command line has none
    reserved: Mapping[str, str]  # keys of the schema that no command may set, and why
    multirun: str  # what it does with its jobs, for which there have to be jobs
    needs: Mapping[str, str] = MappingProxyType({})  # first part of a key -> the argument, or study, that it goes with
    failures: tuple[type[Exception], ...] = ()  # that are no fault of the command line; StoreError is one anyway


def options(entry: EntryPoint) -> dict[str, list[str]]:
    """Group -> its options: the folders of conf/ and their files; of the studies, those that are the entry point's."""
    files = {group: sorted((CONF / group).glob("*.yaml")) for group in entry.groups}
    of_entry = f"python -m experiments.{entry.name} +study="
    return {
        group: [file.stem for file in of_group if group != "study" or of_entry + file.stem in file.read_text()]
        for group, of_group in files.items()
    }


def _named(override: Override) -> list[str]:
    """The options that a group override names; none where it gives keys, a pattern or nothing."""
    if override.value_type in (ValueType.CHOICE_SWEEP, ValueType.SIMPLE_CHOICE_SWEEP):
        return list(override.sweep_string_iterator())
    value = override.value()
    return [value] if isinstance(value, str) else []


def _check_study(override: Override, studies: list[str]) -> None:
    if not override.is_add():
        raise ConfigError(
            f"{override.input_line}: +study=NAME runs conf/study/NAME.yaml, study.name=NAME chooses the folder of the "
            f"results; valid names of conf/study: {', '.join(studies)}"
        )


def _check_override(override: Override, entry: EntryPoint, offered: dict[str, list[str]], valid: list[str]) -> None:
    key = override.key_or_group
    if key == "study":
        _check_study(override, options(entry)["study"])
    if key in entry.groups:
        for name in _named(override):
            if name not in offered.get(key, [name]):
                raise ConfigError(f"{key}={name}: no such {key}, {nearest(name, offered[key])}")
    elif key in entry.reserved:
        raise ConfigError(f"{key}: {entry.reserved[key]}")
    elif key not in valid and not any(name.startswith(f"{key}.") for name in valid):
        raise ConfigError(f"{key}: no such key, {nearest(key, valid)}")


def _check_needs(key: str, entry: EntryPoint, lines: Sequence[str]) -> None:
    """Hydra fails on a key below one that is null."""
    needed = entry.needs.get(key.split(".", maxsplit=1)[0])
    studies = [CONF / "study" / f"{line.removeprefix('+study=')}.yaml" for line in lines if line.startswith("+study=")]
    is_set = any(study.is_file() and needed.replace("=", ": ") in study.read_text() for study in studies if needed)
    if needed and needed not in lines and not is_set:
        raise ConfigError(f"{key}: expected {needed} beside it, got {' '.join(lines)}")


def check_arguments(entry: EntryPoint, arguments: Sequence[str]) -> None:
    """Compares keys and group options with those that there are; Hydra's own messages do not name the nearest one.

    Raises:
        ConfigError: naming the key and the nearest right name.
        HydraException: an argument that cannot be parsed.
    """
    offered, valid = options(entry), entry.keys()
    if any(argument.startswith(("hydra.searchpath=", "--config-dir", "-cd")) for argument in arguments):
        offered = {}  # they may be the user's own files
    lines = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
    for override in OverridesParser.create().parse_overrides(lines):
        if override.key_or_group == "hydra.mode" and str(override.value()) != "MULTIRUN":
            raise ConfigError(f"hydra.mode: expected MULTIRUN, which {entry.multirun}, got {override.value()}")
        if not override.is_hydra_override():
            _check_needs(override.key_or_group, entry, lines)
            _check_override(override, entry, offered, valid)


def _groups(entry: EntryPoint) -> str:
    """For --help, where Hydra would list the groups and the studies of every entry point."""
    return "\n".join(f"{group}: {', '.join(names)}" for group, names in options(entry).items())


def _start(entry: EntryPoint) -> None:
    entry.register()
    OmegaConf.register_new_resolver("groups", lambda: _groups(entry), replace=True)
    if not sys.argv[1:]:
        sys.argv.extend(entry.arguments)
    check_arguments(entry, sys.argv[1:])
    hydra.main(config_path=str(CONF), config_name=entry.name, version_base="1.3")(entry.run)()


def compose_alone(name: str, overrides: Sequence[str]) -> DictConfig:
    """conf/NAME.yaml with the overrides of a command that has no groups and no jobs.

    Raises:
        ConfigError: a key that there is not.
        HydraException, OmegaConfBaseException: an override that cannot be parsed or set.
    """
    # Without conf/ as a search path: there `study` is a group of the sweep, for such a command it is a key.
    ConfigStore.instance().store(name, OmegaConf.load(CONF / f"{name}.yaml"))
    with hydra.initialize(config_path=None, version_base="1.3"):
        keys = list(hydra.compose(name))
        for override in OverridesParser.create().parse_overrides(list(overrides)):
            if override.key_or_group not in keys:
                raise ConfigError(f"{override.key_or_group}: no such key, {nearest(override.key_or_group, keys)}")
        return hydra.compose(name, overrides=list(overrides))


def _explain(error: BaseException) -> str:
    """One message: what Hydra's says, and why from its cause, without the names of our types."""
    cause = error.__cause__
    texts = [str(error), *([str(cause)] if isinstance(cause, OmegaConfBaseException) else [])]
    lines = [line for text in texts for line in text.splitlines()]
    return "\n".join(
        line.removeprefix("ConfigError raised while resolving interpolation: ")
        for line in lines
        if not line.strip().startswith(("object_type=", "reference_type=", "full_key:"))
    )


def main(entry: EntryPoint) -> None:
    """Runs the command line; ends the process where it is wrong, is stopped, or cannot be carried out."""
    wants_traceback, failures = os.environ.get("HYDRA_FULL_ERROR") == "1", (StoreError, *entry.failures)
    try:
        with env_override({"HYDRA_FULL_ERROR": "1"}):  # Hydra then raises an error; else it prints it and exits
            _start(entry)
    except KeyboardInterrupt:
        print("\nncfjax: stopped; the same command continues after the last stored block", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:  # whoever read the output has left (| head); what was trained is stored
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_FAILURE)
    except (ConfigError, HydraException, OmegaConfBaseException, *failures) as error:
        if wants_traceback:
            raise
        print(f"ncfjax: {_explain(error)}", file=sys.stderr)
        sys.exit(_FAILURE if isinstance(error, failures) else _USAGE)
