"""Devices that are not here: what they hold, and their compilers, which need none of them."""

import os
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from jax.experimental import topologies

from nst_jax.errors import UserError

GIB = 2**30

ENVIRONMENT = {
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "JAX_PLATFORMS": "cpu",
    "JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-1",
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
}
"""Lets the compilers be loaded where there is no device of theirs."""

H100_FACTS = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152 shared_memory_per_core: 233472
  threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000 l2_cache_size: 52428800 clock_rate_ghz: 1.98 device_memory_size: 84978434048
  shared_memory_per_block_optin: 232448 cuda_compute_capability { major: 9 minor: 0 }
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  driver_version: "13.0.0" runtime_version: "13.0.0" compile_time_toolkit_version: "13.0.0" dnn_version: "9.28.1"
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 28 patch: 1 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""
"""What XLA asks of a GPU, in the words of its GpuTargetConfigProto; with the versions that allow command buffers."""


@dataclass(frozen=True)
class Absent:
    """A device that programs can be compiled for without it.

    Attributes:
        name: what the command line calls it.
        title: what people call it.
        platform: what `jax.default_backend()` says there.
        memory: bytes that jax takes there unless told otherwise: of a GPU three quarters.
        extra: of this package, which installs the compiler.
        topology: what the compiler calls it, or what it wants to know of it.
    """

    name: str
    title: str
    platform: str
    memory: int
    extra: str
    topology: str

    def find(self) -> Any:
        """Give the device, as the compiler takes it.

        Raises:
            UserError: the compiler is not installed.
        """
        prepare(os.environ)
        how = {"target_config": self.topology, "topology": "1x1x1"} if self.platform == "gpu" else {}
        name = {"topology_name": self.topology} if self.platform == "tpu" else {}
        try:
            plugin = {"gpu": "cuda", "tpu": "tpu"}[self.platform]
            return topologies.get_topology_desc(platform=plugin, **how, **name).devices[0]
        except (RuntimeError, ImportError) as error:  # jax has no class of its own for it
            raise UserError(
                f"there is no compiler for the {self.title} here: pip install 'nst-jax[{self.extra}]', in an "
                "environment of its own if this one serves another device"
            ) from error


def prepare(environment: MutableMapping[str, str]) -> None:
    """Let the compilers be loaded without their devices; what is set already stays. Before jax's first computation."""
    for name, value in ENVIRONMENT.items():
        environment.setdefault(name, value)


ABSENT = {
    device.name: device
    for device in (
        Absent("h100", "H100 of 80 GB", "gpu", 84_978_434_048 * 3 // 4, "cuda13", H100_FACTS),
        Absent("v5e", "TPU v5e", "tpu", int(15.75 * GIB), "tpu", "v5e:2x2"),
        Absent("v5p", "TPU v5p", "tpu", int(95.74 * GIB), "tpu", "v5p:2x2x1"),
    )
}
"""By name."""
