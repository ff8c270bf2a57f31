"""Reading a compiled program, on a small one worked by hand; no compiler of a GPU or TPU is needed."""

import json
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

import nst_jax
from benchmarks import compiled, program
from nst_jax.absent import ABSENT, GIB
from nst_jax.batch import elsewhere, planning
from nst_jax.cli.running import Running
from nst_jax.errors import UserError
from nst_jax.runs.spec import Spec

STEP = program.read((Path(__file__).parent / "golden" / "step.hlo").read_text())
LAYER, KERNEL, BIAS = 2 * 8 * 8 * 4, 2 * 4 * 3 * 3 * 4, 2 * 4
ROW, PAIRS = 4 * 6, 4 * 5 * 6


def moved(name: str) -> int:
    return next(kernel.moved for kernel in STEP.kernels if kernel.name == name)


def test_the_step_is_the_body_of_the_loop_with_most_kernels():
    assert [kernel.name for kernel in STEP.kernels] == [
        "cudnn-conv-bias-activation.1", "gemm_fusion_dot.1", "cudnn-conv.2", "cut_fusion", "put_fusion", "negate.1",
        "fft.1",
    ]  # fmt: skip


def test_bytes_worked_by_hand():
    assert moved("cudnn-conv-bias-activation.1") == LAYER + KERNEL + BIAS + LAYER
    assert moved("gemm_fusion_dot.1") == LAYER + 4 * 4 * 4  # it is handed the layer twice
    assert moved("cut_fusion") == 2 * (LAYER // 4) + 2 * ROW  # slices alone are read
    assert moved("put_fusion") == 2 * ROW + 4  # a row written in place, and where
    assert moved("negate.1") == 3 * 2 * PAIRS  # a loop of three turns inside
    assert moved("fft.1") == PAIRS + 8 * 8 * 5
    convolutions = moved("cudnn-conv-bias-activation.1") + moved("cudnn-conv.2")
    assert STEP.outside == STEP.moved - convolutions


def test_convolutions_tell_what_is_fused_and_where_they_belong():
    forward, backward = (kernel for kernel in STEP.kernels if kernel.convolution)
    assert (forward.fused, forward.where) == (("bias", "relu"), "conv1_1: conv_general_dilated")
    assert (backward.fused, backward.where) == ((), "conv1_1 backward: conv_general_dilated")
    assert compiled.convolutions(STEP) == {"with bias, relu": 1, "alone": 1}


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ("f32[8,21]{1,0}", 4 * 8 * 21),
        ("(bf16[4]{0}, pred[3]{0})", 11),
        ("s32[]", 4),
        ("token[]", 0),
        ("f32[8,25]{0,1:T(8,128)}", 4 * 128 * 32),  # a TPU's tiles: 8 lanes last become 128
        ("bf16[2,512,512,64]{3,2,1,0:T(8,128)(2,1)}", 2 * 2 * 512 * 512 * 128),
    ],
)
def test_sizes_of_shapes(shape, size):
    assert program.size(shape) == size


THUNKS = """\
000: kCopy [source | sink] kCopy
001: kWhile         [prev=000 (1) | sink        ]
condition:
    002: kCustomKernel [source | sink] loop_compare_fusion
  body:
    000: kCommandBuffer [source       | next=036 (1)]
        003: kCustomKernel [source | sink] loop_add_fusion
        004: kConvolution [source | sink] kConvolution
    005: kFft [source | sink] kFft
    006: kCustomKernel [source | sink] input_reduce_fusion
"""


def test_launches_count_a_command_buffer_as_one():
    assert compiled.launches(THUNKS) == 3
    inside = THUNKS.replace("001: kWhile", "    001: kWhile")  # of a command buffer
    assert compiled.launches(inside) == 0
    assert compiled.launches("") is None


def test_without_a_compiler_one_line_says_what_to_do(capsys, monkeypatch):
    def absent(**_):
        raise RuntimeError("topology not implemented for cuda")

    monkeypatch.setattr("jax.experimental.topologies.get_topology_desc", absent)
    assert compiled.main(["--device", "h100", "--size", "64"]) == 2
    assert capsys.readouterr().err == (
        "error: there is no compiler for the H100 of 80 GB here: pip install 'nst-jax[cuda13]', in an environment of "
        "its own if this one serves another device\n"
    )


def test_a_row_of_the_table_and_the_largest_kernels():
    found = {
        "device": "h100", "size": 512, "lanes": 32, "descent": "adam", "kernels": 92, "launches": None,
        "bytes": 40_000_000_000, "outside": 25_870_000_000, "temporaries": 3_400_000_000, "arguments": 814_000_000,
        "seconds": 4.0, "processor_seconds": 6.5,
        "all": [{"moved": m, "kind": "fusion", "where": "conv1_1", "name": n} for m, n in ((10, "a"), (3e7, "b"))],
    }  # fmt: skip
    cells = "h100 | 512 | 32 | adam | 92 | ? | 40.00 | 25.87 | 3.40 GB | 814 MB | 4.0 s | 6.5 s"
    assert compiled.row(found) == f"| {cells} |"
    assert compiled.largest(found, 1)[0].split() == ["30.0", "MB", "fusion", "conv1_1", "b"]
    assert json.dumps(found)


# --- planning for a device that is not here ---


@pytest.fixture
def without_compilers(monkeypatch):
    def absent(**_):
        raise RuntimeError("topology not implemented for cuda")

    monkeypatch.setattr("jax.experimental.topologies.get_topology_desc", absent)


def posed(tiny, **how):
    grey = np.full((32, 32, 3), 0.5, np.float32)
    return nst_jax.pose(tiny.encoder, grey, grey, recipe=nst_jax.Recipe(**how))


def named(problem, name, side=2048):
    """Call the network of a problem otherwise, and make its picture large: one number, seen many times."""
    network = replace(problem.network, name=name)
    return replace(problem, network=network, init=np.broadcast_to(np.float32(0.5), (side, side, 3)))


def test_a_plan_for_an_absent_device_comes_from_the_table_where_its_compiler_is_absent(tiny, without_compilers):
    problem = named(posed(tiny, optimizer="lbfgs"), "vgg16")
    sweep = nst_jax.grid(problem, beta=np.linspace(1, 100, 32))
    said = []
    chunks = planning.plan(tiny.encoder, sweep, device=ABSENT["h100"], say=said.append)
    fixed, a_pixel = elsewhere.FITTED["h100", "LBFGS"]
    need = (fixed + chunks[0].size * 2048**2 * a_pixel) / GIB
    assert f"{need:.2f} GiB a device of 47.5 GiB of the H100 of 80 GB's, by nst_jax's table" in said[-1]
    assert sorted(lane for chunk in chunks for lane in chunk.lanes) == list(range(32))
    assert need < 47.5


def test_what_the_table_does_not_know_is_refused(tiny, without_compilers):
    for problem in (named(posed(tiny), "inception_v3"), named(posed(tiny, precision="float32"), "vgg16")):
        with pytest.raises(UserError, match=r"not in nst_jax's table: install its compiler, pip install 'nst-jax"):
            planning.plan(tiny.encoder, nst_jax.grid(problem, beta=[1.0]), device=ABSENT["h100"])


def test_a_picture_too_large_for_an_absent_device_is_refused(tiny, without_compilers):
    problem = named(posed(tiny), "vgg16", side=16384)
    with pytest.raises(UserError, match=r"of the H100 of 80 GB's, .* or a --size of at most 87\d\d"):
        planning.plan(tiny.encoder, nst_jax.grid(problem, beta=[1.0]), device=ABSENT["h100"])


def test_a_program_that_a_compiler_refuses_tells_its_need(tiny, monkeypatch):
    def refuse(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Ran out of memory in hbm. Used 20.50G of 15.75G hbm")

    monkeypatch.setattr(elsewhere, "compile_there", refuse)
    assert elsewhere.needed_there(ABSENT["v5e"], tiny.encoder, posed(tiny), (), 1) == int(20.5 * GIB)


def test_a_device_without_a_dry_run_is_refused(tmp_path):
    running = Running(out=tmp_path, device="h100")
    spec = Spec((Path("a.png"),), (Path("b.png"),), nst_jax.DEFAULT)
    with pytest.raises(UserError, match="--device h100 plans for a device that is not here: add --dry-run"):
        running.run(spec)
