"""python -m experiments.sweep: every run of a sweep, trained, evaluated and tabulated; rerun it to continue.

    python -m experiments.sweep dataset=ml-1m model.embedding_dim=16,32 grid.learning_rate=0.001,0.002 grid.seed=0,1,2

--help explains the command line; conf/sweep.yaml holds the keys and their defaults, experiments/config.py their types.
A wrong key or value ends it with one message, the nearest right name and exit code 2, before anything is compiled.
"""

import os
import sys
from collections.abc import Sequence

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, ValueType
from hydra.core.utils import env_override
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from experiments import sweeper
from experiments.checks import resolve
from experiments.config import CONF, GROUPS, ConfigError, keys, nearest, register
from experiments.tuning import TuningError
from ncfjax.store import StoreError

_USAGE, _FAILURE, _INTERRUPTED = 2, 1, 130  # exit codes


def run(config: DictConfig, provenance: dict[str, str]) -> int:
    """One job, in the process where a launcher starts it; returns how many runs it trained."""
    from experiments.job import run_job  # JAX is loaded only where something is trained

    return run_job(resolve(config), provenance)


def _options() -> dict[str, list[str]]:
    """Group -> its options: the folders of conf/ and their files."""
    return {group: sorted(file.stem for file in (CONF / group).glob("*.yaml")) for group in GROUPS}


def _named(override: Override) -> list[str]:
    """The options that a group override names; none where it gives keys, a pattern or nothing."""
    if override.value_type in (ValueType.CHOICE_SWEEP, ValueType.SIMPLE_CHOICE_SWEEP):
        return list(override.sweep_string_iterator())
    value = override.value()
    return [value] if isinstance(value, str) else []


def _check_study(override: Override) -> None:
    if not override.is_add():
        studies = ", ".join(_options()["study"])
        raise ConfigError(
            f"{override.input_line}: +study=NAME runs conf/study/NAME.yaml, study.name=NAME chooses the folder of the "
            f"results; valid names of conf/study: {studies}"
        )


def _check_override(override: Override, options: dict[str, list[str]], valid: list[str]) -> None:
    key = override.key_or_group
    if key == "study":
        _check_study(override)
    if key in GROUPS:
        for name in _named(override):
            if name not in options.get(key, [name]):
                raise ConfigError(f"{key}={name}: no such {key}, {nearest(name, options[key])}")
    elif key == "phase":
        raise ConfigError("phase: set by tune=true, not by hand")
    elif key not in valid and not any(name.startswith(f"{key}.") for name in valid):
        raise ConfigError(f"{key}: no such key, {nearest(key, valid)}")


def check_arguments(arguments: Sequence[str]) -> None:
    """Compares keys and group options with those that there are; Hydra's own messages do not name the nearest one.

    Raises:
        ConfigError: naming the key and the nearest right name.
        HydraException: an argument that cannot be parsed.
    """
    options, valid = _options(), keys()
    if any(argument.startswith(("hydra.searchpath=", "--config-dir", "-cd")) for argument in arguments):
        options = {}  # they may be the user's own files
    lines = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
    for override in OverridesParser.create().parse_overrides(lines):
        if override.key_or_group == "hydra.mode" and str(override.value()) != "MULTIRUN":
            raise ConfigError(f"hydra.mode: expected MULTIRUN, which plans, tunes and sums up, got {override.value()}")
        if not override.is_hydra_override():
            _check_override(override, options, valid)


def _sweep() -> None:
    register()
    sweeper.register()
    if not sys.argv[1:]:
        sys.argv.append("+study=synthetic")
    check_arguments(sys.argv[1:])
    hydra.main(config_path=str(CONF), config_name="sweep", version_base="1.3")(run)()


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


def main() -> None:
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        with env_override({"HYDRA_FULL_ERROR": "1"}):  # Hydra then raises an error; else it prints it and exits
            _sweep()
    except KeyboardInterrupt:
        print("\nncfjax: stopped; the same command continues after the last stored block", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:  # whoever read the output has left (| head); what was trained is stored
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_FAILURE)
    except (ConfigError, HydraException, OmegaConfBaseException, StoreError, TuningError) as error:
        if wants_traceback:
            raise
        print(f"ncfjax: {_explain(error)}", file=sys.stderr)
        sys.exit(_FAILURE if isinstance(error, StoreError | TuningError) else _USAGE)


if __name__ == "__main__":
    main()
