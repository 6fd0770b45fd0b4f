"""The machine that a study runs on: its name for the tables, the memory for a block, the cache of compiled programs."""

import os
import platform
import re
from functools import cache
from pathlib import Path

import jax
import pooch


def _cpu_model() -> str:
    try:
        model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        model = None
    return model[1].strip() if model else platform.processor() or platform.machine()


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def name() -> str:
    """`cpu x2 (model name)`, `NVIDIA H200`, `TPU v4 x8`."""
    devices = jax.local_devices()
    if devices[0].platform == "cpu":
        return f"cpu x{_num_cores()} ({_cpu_model()})"
    return devices[0].device_kind + (f" x{len(devices)}" if len(devices) > 1 else "")


def _memory_free() -> float:
    """Bytes that processes may still take; all of the memory where the system does not tell."""
    try:
        return 1024.0 * int(re.search(r"^MemAvailable:\s*(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)[1])
    except (OSError, TypeError):
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _container_free() -> float:
    """Bytes left below the memory limit of the control group (containers, batch systems), or infinity."""
    try:
        group = Path("/sys/fs/cgroup")
        return float((group / "memory.max").read_text()) - float((group / "memory.current").read_text())
    except (OSError, ValueError):  # no control group, or the limit is "max"
        return float("inf")


def memory_limit(limit_gb: float | None) -> int:
    """Bytes that a block may take: the limit given, else half of what is free on the device (on a CPU: in memory)."""
    if limit_gb is not None:
        return int(limit_gb * 1e9)
    stats = [device.memory_stats() for device in jax.local_devices()]
    if stats[0] and "bytes_limit" in stats[0]:
        return sum(s["bytes_limit"] - s["bytes_in_use"] for s in stats) // 2
    return int(min(_memory_free(), _container_free()) / 2)


def prepare() -> None:
    """To be called before the first array: every core a device, and compiled programs kept between processes.

    Members of a grid are spread over devices: on two cores, two devices train a grid in 0.6 to 0.7 of the time. What
    the user chose already (XLA_FLAGS, JAX_NUM_CPU_DEVICES, JAX_COMPILATION_CACHE_DIR) stays.
    """
    if jax.config.jax_num_cpu_devices < 1 and "device_count" not in os.environ.get("XLA_FLAGS", ""):
        try:
            jax.config.update("jax_num_cpu_devices", _num_cores())
        except RuntimeError:
            pass  # too late: the process that we are part of has used JAX before
    if jax.config.jax_compilation_cache_dir is None:
        # One folder per kind of processor: a program compiled for a newer one must not run on an older one.
        kind = re.sub(r"\W+", "-", f"{platform.machine()} {_cpu_model()}").strip("-")
        jax.config.update("jax_compilation_cache_dir", str(pooch.os_cache("ncfjax") / "programs" / kind))
