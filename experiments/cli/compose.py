"""Configurations composed from conf/ without running a command: one job, a command without jobs, every study."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from experiments.cli.entry import EntryPoint, as_hydra_reads_it, folders_of, listed, parse
from experiments.cli.typed import as_typed
from experiments.engine.checks import ConfigError
from experiments.engine.config import CONF
from experiments.engine.task import Compose
from ncfjax.keys import PATH, nearest


def compose_job(entry: EntryPoint, arguments: Sequence[str], *, with_hydra: bool = False) -> DictConfig:
    """conf/NAME.yaml with arguments that sweep nothing."""
    entry.register(folders_of(arguments))
    lines = [as_hydra_reads_it(entry.task, argument) for argument in arguments]
    with _beside_a_command(), initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(entry.name, overrides=lines, return_hydra_config=with_hydra)


@contextmanager
def _beside_a_command() -> Iterator[None]:
    """Composes in a process whose own command Hydra is running: it allows one at a time."""
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        GlobalHydra.instance().hydra = running


def configured(entry: EntryPoint, *arguments: str) -> Any:
    """The checked configuration of one job.

    Raises:
        ConfigError: a value that cannot be.
    """
    return entry.task.resolve(compose_job(entry, arguments))


def checked_jobs(entry: EntryPoint, *arguments: str) -> Compose:
    """Checks jobs as `configured` does, given the overrides of each beside the arguments of all.

    Hydra takes a tenth of a second for a composition, and a study may have 72 jobs: what jobs choose from conf/ is
    composed once for each choice, and the values of keys are set as Hydra sets them, after all choices.
    """
    compositions: dict[tuple[str, ...], DictConfig] = {}

    def compose_one(overrides: list[str]) -> Any:
        parsed = OverridesParser.create().parse_overrides(overrides)
        values = [override for override in parsed if _sets_a_key(entry, override)]
        choices = tuple(override.input_line for override in parsed if override not in values)
        if choices not in compositions:
            compositions[choices] = compose_job(entry, [*arguments, *choices])
        config = compositions[choices].copy()
        for override in values:
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        return entry.task.resolve(config)

    return compose_one


def _sets_a_key(entry: EntryPoint, override: Override) -> bool:
    """Whether it is KEY=VALUE, and neither chooses from conf/ nor adds or deletes anything."""
    is_plain = not (override.is_add() or override.is_delete() or override.is_hydra_override())
    return is_plain and override.key_or_group not in entry.task.groups


def compose_alone(
    name: str,
    arguments: Sequence[str],
    texts: Collection[str] = (),
    paths: Collection[str] = (),
    *,
    lists: bool = False,
) -> dict[str, Any]:
    """conf/NAME.yaml with the arguments of a command that has no groups and no jobs.

    Args:
        texts: keys of names, which are kept as they are typed.
        paths: keys of paths, which are too; ~ and ~USER are home folders.
        lists: whether KEY=A,B is KEY=[A,B].

    Raises:
        ConfigError: a key that there is not.
        HydraException, OmegaConfBaseException: an override that cannot be parsed or set.
    """
    # Without conf/ as a search path: there `study` is a group, for such a command it is a key.
    overrides = [as_typed(argument, {*texts, *paths}) for argument in arguments]
    overrides = listed(overrides) if lists else overrides
    ConfigStore.instance().store(name, OmegaConf.load(CONF / f"{name}.yaml"))
    with hydra.initialize(config_path=None, version_base="1.3"):
        keys = list(hydra.compose(name))
        for override in parse(overrides):
            if override.key_or_group not in keys:
                raise ConfigError(f"{override.key_or_group}: no such key, {nearest(override.key_or_group, keys)}")
        values = OmegaConf.to_container(hydra.compose(name, overrides=overrides), resolve=True)
    return values | {path: _expanded(path, values[path]) for path in paths}


def _expanded(name: str, value: Any) -> Any:
    """A path, or a list of them."""
    if isinstance(value, list):
        return [_expanded(name, entry) for entry in value]
    return None if value is None else PATH.read(name, value)
