"""What defines a run and could be changed from outside without a word: JAX's settings, and flags of XLA.

Settings that change numbers are pinned, and a wish for another is refused. Flags of compilers are kept with each row.
Checked before JAX is imported, which ends in an error of its own where a variable holds what it does not know.
"""

import os

from experiments.engine.checks import ConfigError

_FALSE = ("0", "false", "off", "no", "n", "f")
# Name of jax.config -> its value, and how the variable of the same name in capitals may spell it.
PINNED: dict[str, tuple[object, tuple[str, ...]]] = {
    "jax_enable_x64": (False, _FALSE),
    "jax_explicit_x64_dtypes": ("warn", ("warn",)),
    "jax_numpy_dtype_promotion": ("standard", ("standard",)),
    "jax_default_matmul_precision": (None, ("none",)),  # products say theirs
    "jax_default_prng_impl": ("threefry2x32", ("threefry2x32",)),
    "jax_threefry_partitionable": (True, ("1", "true", "on", "yes", "y", "t")),
    "jax_random_seed_offset": (0, ("0",)),
    "jax_high_dynamic_range_gumbel": (False, _FALSE),
    "jax_disable_jit": (False, _FALSE),
    "jax_disable_most_optimizations": (False, _FALSE),
    "jax_debug_nans": (False, _FALSE),  # a run that diverges is a row, not an error
    "jax_debug_infs": (False, _FALSE),
    "jax_default_device": (None, ("none",)),  # a row names the device that JAX chooses
    "jax_transfer_guard": (None, ("allow", "log")),
    "jax_no_tracing": (False, _FALSE),
    "jax_no_execution": (False, _FALSE),
    **{f"jax_error_checking_behavior_{what}": ("ignore", ("ignore",)) for what in ("nan", "divide", "oob")},
}
_RECORDED = ("XLA_FLAGS", "LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE")
_WITHOUT_EFFECT = ("--xla_force_host_platform_device_count", "--xla_dump_")  # on numbers


def check() -> None:
    """Raises ConfigError for a variable that asks for other numbers than those of a run's row."""
    for name, (_, spellings) in PINNED.items():
        variable = name.upper()
        got = os.environ.get(variable)
        if got is not None and got.strip().lower() not in spellings:
            raise ConfigError(
                f"{variable}={got}: expected {spellings[0]}, as with any other value a run has other numbers than its "
                f"row tells, or none; unset {variable}"
            )


def flags() -> str:
    """ ", XLA_FLAGS=...": what the numbers of a run may depend on beside its device; empty where nothing is set."""
    given = {name: os.environ.get(name, "").split() for name in _RECORDED}
    kept = {name: [flag for flag in flags if not flag.startswith(_WITHOUT_EFFECT)] for name, flags in given.items()}
    return "".join(f", {name}={' '.join(flags)}" for name, flags in kept.items() if flags)
