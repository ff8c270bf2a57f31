"""One picture over several devices: the gradient and the solution of one."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

BEGIN = """
from dataclasses import replace

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
from test_tiles import RECIPE, RNG, narrow, posed

import nst_jax
from nst_jax.batch.lanes import lane_mesh
from nst_jax.gradients import Tiles, Whole, rows
from nst_jax.objective import Objective

encoder = narrow("vgg11")
"""

GRADIENT = """
problem = posed(encoder, (97, 131), RECIPE)
x = problem.init + 0.1 * RNG.random(problem.init.shape, np.float32)
objective = Objective(encoder, problem)
(loss, _), grad = jax.tree.map(np.asarray, jax.jit(lambda x: Whole().value_and_grad(objective, x))(x))
for count in COUNTS:
    mesh = Mesh(np.array(jax.devices()[:count]), (rows.AXIS,))
    shared = lambda x: Tiles(32).value_and_grad(objective, x)
    shared = jax.jit(jax.shard_map(shared, mesh=mesh, in_specs=P(), out_specs=P(), check_vma=False))
    (tiled, _), tiled_grad = shared(jax.device_put(np.asarray(x), NamedSharding(mesh, P())))
    np.testing.assert_allclose(tiled, loss, rtol=1e-5)
    assert np.linalg.norm(tiled_grad - grad) < 1e-5 * np.linalg.norm(grad), count
    assert tiled.sharding.device_set == set(mesh.devices.flat)
"""

PROCESSES = """
import sys
import jax
jax.distributed.initialize(sys.argv[1], num_processes=2, process_id=int(sys.argv[2]))
"""

SOLUTION = """
assert lane_mesh(1).size == 1
assert dict(lane_mesh(1, tiled=True).shape) == {"lanes": 1, "rows": 4}
assert dict(lane_mesh(2, tiled=True).shape) == {"lanes": 2, "rows": 2}
recipe = replace(RECIPE, steps=8, tile=32)
problem = posed(encoder, (64, 48), recipe)
tiled = nst_jax.solve(encoder, problem).history["total"]
whole = nst_jax.solve(encoder, problem, gradient=Whole()).history["total"]
np.testing.assert_allclose(tiled, whole, rtol=5e-3)
lanes = nst_jax.grid(problem, beta=(float(problem.terms["style"].weight), 10.0))  # a mesh of lanes and rows
found = nst_jax.solve_batch(encoder, lanes).solutions[0].history["total"]
np.testing.assert_allclose(found, tiled, rtol=5e-3)
"""


def begin(script: str, devices: int, *words: str) -> subprocess.Popen:
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", script, *words]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen) -> None:
    _, said = process.communicate(timeout=240)
    assert process.returncode == 0, said[-2000:]


def test_devices_that_share_a_picture_find_the_gradient_of_the_whole():
    counts = "assert len(jax.devices()) == 8\nCOUNTS = (2, 8)\n"
    finish(begin(BEGIN + counts + GRADIENT, 8))


def test_processes_that_share_a_picture_find_the_gradient_of_the_whole():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        at = f"127.0.0.1:{free.getsockname()[1]}"
    counts = "assert (jax.process_count(), len(jax.local_devices())) == (2, 2)\nCOUNTS = (4,)\n"
    both = [begin(PROCESSES + BEGIN + counts + GRADIENT, 2, at, str(i)) for i in range(2)]
    for process in both:
        finish(process)


@pytest.mark.slow
def test_devices_that_are_left_by_lanes_share_their_pictures():
    finish(begin(BEGIN + SOLUTION, 4))
