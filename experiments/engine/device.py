"""The machine that a study runs on: its name for the tables, the memory for a block, the cache of compiled programs."""

import os
import platform
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import jax
import pooch

from experiments.engine import environment
from experiments.engine.checks import ConfigError, expect
from experiments.engine.processes import check_alone, is_joined, least, num_processes, refuse_several

# Of both versions: the limits, what is taken, and in memory.stat the part of it that the system gives up when it must.
_VERSION_1 = (("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file")
_VERSION_2 = (("memory.max", "memory.high"), "memory.current", "inactive_file")


def _cpu_model() -> str:
    try:
        model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        model = None
    return model[1].strip() if model else platform.processor() or platform.machine()


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def described() -> str:
    """Its name, the number of processes that train together, and the flags of compilers that are set."""
    together = f", {num_processes()} processes" if is_joined() else ""
    return name() + together + environment.flags()


@cache
def name() -> str:
    """`cpu x2 (model name)`, `NVIDIA H200`, `TPU v4 x8`."""
    devices = jax.local_devices()
    if devices[0].platform == "cpu":
        return f"cpu x{_num_cores()} ({_cpu_model()})"
    return devices[0].device_kind + (f" x{len(devices)}" if len(devices) > 1 else "")


def check_devices(key: str, num_devices: int) -> None:
    """Raises ConfigError where a key asks for more devices than there are."""
    expected = f"at most {jax.device_count()}, the devices that are there"
    expect(key, num_devices <= jax.device_count(), expected, num_devices)


def memory_limit(limit_gb: float | None) -> int:
    """Bytes that a block may take on all devices: the limit given, else half of what is free on them.

    On a CPU that is the least of what the system has and of what each control group of the process has left: its own
    and all those around it, as containers and batch systems nest them (cgroups version 1 and 2).
    """
    if limit_gb is not None:
        return int(limit_gb * 1e9) * num_processes()
    return _common_limit() if is_joined() else _own_limit()


@cache
def _common_limit() -> int:
    """Of all processes, each of which has to hold what the one with the least memory can. Asked for in step, once."""
    return least(_own_limit()) * num_processes()


def _own_limit() -> int:
    stats = [device.memory_stats() for device in jax.local_devices()]
    if stats[0] and "bytes_limit" in stats[0]:
        return sum(s["bytes_limit"] - s["bytes_in_use"] for s in stats) // 2
    return max(0, int(min(_system_free(), *_groups_free()) / 2))


def _system_free() -> float:
    """Bytes that processes may still take; all of the memory where the system does not tell."""
    try:
        return 1024.0 * int(re.search(r"^MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)[1])
    except (OSError, TypeError):
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _groups_free() -> Iterator[float]:
    """Bytes left below the limits of every control group that the process is in; infinity of one without a limit."""
    yield float("inf")
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:  # another system than Linux
        lines = []
    for root, files, path in _hierarchies(lines):
        # Inside a container the path may be one of the system outside: the root of the hierarchy is the container's.
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for depth in range(len(parts) + 1):
            yield _group_free(Path("/".join([root, *parts[:depth]])), *files)


def _hierarchies(lines: list[str]) -> Iterator[tuple[str, tuple[tuple[str, ...], str, str], str]]:
    """Where the groups' folders are, what their files are called, and the path of the process's group in them.

    A line is NUMBER:CONTROLLERS:PATH, of version 2 0::PATH.
    """
    paths = {
        controllers: path for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") > 1)
    }
    yield "/sys/fs/cgroup", _VERSION_2, paths.get("", "")
    yield "/sys/fs/cgroup/unified", _VERSION_2, paths.get("", "")  # beside version 1
    for controllers, path in paths.items():
        if "memory" in controllers.split(","):
            yield "/sys/fs/cgroup/memory", _VERSION_1, path


def _group_free(group: Path, limits: tuple[str, ...], usage: str, reclaimable: str) -> float:
    least = min(_number(group / limit, r"(\d+)\s*") for limit in limits)
    if least == float("inf"):  # no such group, or no limit ("max")
        return least
    taken, cached = _number(group / usage, r"(\d+)\s*"), _number(group / "memory.stat", rf"{reclaimable} (\d+)")
    return least if taken == float("inf") else least - taken + (0.0 if cached == float("inf") else cached)


def _number(path: Path, pattern: str) -> float:
    """The number in a line of a file; infinity where there is none."""
    try:
        found = re.search(rf"^{pattern}$", path.read_text(), re.MULTILINE)
    except OSError:
        found = None
    return float(found[1]) if found else float("inf")


def prepare() -> None:
    """To be called before the first array: every core a device, and compiled programs kept between processes.

    Members of a grid are spread over devices: on two cores, two devices train a grid in 0.6 to 0.7 of the time. What
    the user chose already (XLA_FLAGS, JAX_NUM_CPU_DEVICES, JAX_COMPILATION_CACHE_DIR) stays. What would change numbers
    is as in environment.PINNED, whatever the version of JAX has for it.

    Raises:
        ConfigError: several processes that JAX, or a batch system, has joined; the environment asks for other numbers,
            or for a platform that is not there.
    """
    if not is_joined():
        check_alone()
    environment.check()
    for setting, (value, _) in environment.PINNED.items():
        if getattr(jax.config, setting, value) != value:
            jax.config.update(setting, value)
    if jax.config.jax_num_cpu_devices < 1 and "device_count" not in os.environ.get("XLA_FLAGS", ""):
        try:
            jax.config.update("jax_num_cpu_devices", _num_cores())
        except RuntimeError:
            pass  # too late: the process that we are part of has used JAX before
    if jax.config.jax_compilation_cache_dir is None:
        # One folder per kind of processor: a program compiled for a newer one must not run on an older one.
        kind = re.sub(r"\W+", "-", f"{platform.machine()} {_cpu_model()}").strip("-")
        jax.config.update("jax_compilation_cache_dir", str(pooch.os_cache("ncfjax") / "programs" / kind))
    _check_platforms()
    if is_joined():
        _common_limit()
    elif (count := jax.process_count()) > 1:
        refuse_several(f"process {jax.process_index() + 1} of {count} that jax.distributed has joined")


def _check_platforms() -> None:
    older = os.environ.get("JAX_PLATFORM_NAME")  # the older name of the variable
    settings = {"jax_platforms": jax.config.jax_platforms, "jax_platform_name": older}
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # the latter where it has no plugin for any of them
        wanted = ", ".join(f"{name.upper()}={value}" for name, value in settings.items() if value)
        got = (str(error) or "none").splitlines()[0]
        flags = os.environ.get("XLA_FLAGS", "")
        if not (wanted or flags):
            raise
        if not wanted:  # as with --xla_force_host_platform_device_count=0
            raise ConfigError(f"XLA_FLAGS={flags}: expected flags that leave a device, got: {got}") from error
        for name in settings:
            jax.config.update(name, "")
        there = ", ".join(dict.fromkeys([*(device.platform for device in jax.devices()), "cpu"]))
        raise ConfigError(f"{wanted}: expected one that is there ({there}), got: {got}") from error
