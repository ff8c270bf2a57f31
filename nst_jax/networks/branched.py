"""Networks of blocks whose branches stand side by side and are concatenated: Inception and GoogLeNet."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp

from nst_jax import ops
from nst_jax.networks.network import Layer, Network, Params
from nst_jax.recipe import Padding, Pooling
from nst_jax.types import Features, Sides


class Conv(NamedTuple):
    """A convolution with bias and ReLU; borders are zeros unless it is `valid`."""

    channels: int
    rows: int = 1
    columns: int = 1
    stride: int = 1
    valid: bool = False


class Pool(NamedTuple):
    """A pooling. Of `max`, borders do not count; `ceil` lets the last window hang over; a mean is of what is inside."""

    kind: Literal["max", "mean"]
    side: int = 3
    stride: int = 1
    borders: Literal["valid", "same", "ceil"] = "valid"


class Fork(NamedTuple):
    """Convolutions of one input, concatenated."""

    convs: tuple[Conv, ...]


Step = Conv | Pool | Fork
Branch = tuple[Step, ...]


class Block(NamedTuple):
    """Branches of one input, concatenated, which can be asked for by name; `before` is a pooling of that input."""

    name: str
    branches: tuple[Branch, ...]
    before: Pool | None = None

    def numbered(self) -> Iterator[tuple[str, Conv]]:
        """List the convolutions with their names: `mixed4_2_3` is the third of the second branch."""
        for b, branch in enumerate(self.branches, 1):
            convs = [step for step in branch if not isinstance(step, Pool)]
            for index, step in enumerate(convs, 1):
                name = self.name if len(self.branches) == len(convs) == 1 else f"{self.name}_{b}_{index}"
                if isinstance(step, Fork):
                    yield from ((f"{name}{'abcd'[i]}", conv) for i, conv in enumerate(step.convs))
                else:
                    yield name, step


class Axis(NamedTuple):
    """Where positions lie along one side of a picture: position p sees [stride p + start, stride p + start + field)."""

    stride: int = 1
    lost: int = 0
    start: int = 0
    field: int = 1

    def after(self, side: int, stride: int, before: int, behind: int) -> "Axis":
        """Give the same behind windows of `side` positions, with so many put before the first and behind the last."""
        lost = self.lost + (side - stride - before - behind) * self.stride
        start, field = self.start - before * self.stride, self.field + (side - 1) * self.stride
        return Axis(self.stride * stride, lost, start, field)


Grid = tuple[Axis, Axis]
"""Rows and columns."""


def _shape(conv: Conv) -> ops.Shape:
    return ops.Shape(conv.rows, conv.columns, conv.stride, "valid" if conv.valid else "same")


def _borders(step: Conv | Pool, side: int) -> tuple[int, int]:
    if isinstance(step, Conv):
        return (0, 0) if step.valid else (side // 2, side // 2)
    return {"valid": (0, 0), "same": (side // 2, side // 2), "ceil": (0, step.stride - 1)}[step.borders]


def _after(grid: Grid, step: Step) -> Grid:
    if isinstance(step, Fork):
        return _union([_after(grid, conv) for conv in step.convs])
    rows, columns = (step.rows, step.columns) if isinstance(step, Conv) else (step.side, step.side)
    return (
        grid[0].after(rows, step.stride, *_borders(step, rows)),
        grid[1].after(columns, step.stride, *_borders(step, columns)),
    )


def _union(grids: Sequence[Grid]) -> Grid:
    """See what any of them sees; they have the same positions."""

    def one(axes: Sequence[Axis]) -> Axis:
        start = min(axis.start for axis in axes)
        end = max(axis.start + axis.field for axis in axes)
        return axes[0]._replace(start=start, field=end - start)

    return one([rows for rows, _ in grids]), one([columns for _, columns in grids])


def _layer(name: str, channels: int, grid: Grid) -> Layer:
    axis, _ = _union([grid, (grid[1], grid[0])])
    extra = axis.field - axis.stride
    return Layer(name, channels, axis.stride, axis.lost, reach=-(-extra // 2), first=axis.start + extra // 2)


@dataclass(frozen=True, eq=True)
class Branched(Network):
    """A network by its table of blocks, each of which can be asked for.

    Attributes:
        name: such as `inception_v3`.
        blocks: in order of depth.
        pooling: of what pools by the maximum: that, or the mean.
        smallest: side in pixels of a picture below which the whole of the published network has no position.
        style_layers, content_layers, held_out, held_out_content: as of any network, as far as it is deep enough.
    """

    name: str
    blocks: tuple[Block, ...]
    pooling: Pooling = "max"
    smallest: int = 1
    style_layers: tuple[str, ...] = ()
    content_layers: tuple[str, ...] = ()
    held_out: tuple[str, ...] = ()
    held_out_content: str = ""
    margins = True
    # Offsets far above their deviations and 45 layers: of real pictures' gradients bfloat16 keeps a cosine of .87 to
    # float32's, where VGG's keep .98.
    accelerated = "tf32"

    @cached_property
    def layers(self) -> tuple[Layer, ...]:  # type: ignore[override]
        """List every block."""
        return tuple(_layer(name, channels, grid) for name, channels, grid in self._walk())

    def _walk(self) -> Iterator[tuple[str, int, Grid]]:
        grid, channels = (Axis(), Axis()), 3
        for block in self.blocks:
            grid = _after(grid, block.before) if block.before else grid
            ends = []
            widths = 0
            for branch in block.branches:
                end, width = grid, channels
                for step in branch:
                    end, width = _after(end, step), _width(step, width)
                ends.append(end)
                widths += width
            grid, channels = _union(ends), widths
            yield block.name, channels, grid

    @cached_property
    def convs(self) -> tuple[str, ...]:
        """List the convolutions in order of the table, as the published implementations create them."""
        return tuple(name for block in self.blocks for name, _ in block.numbered())

    @cached_property
    def channels(self) -> tuple[int, ...]:
        """List the outputs of every convolution, in the order of `convs`."""
        return tuple(conv.channels for block in self.blocks for _, conv in block.numbered())

    def param_shapes(self) -> dict[str, dict[str, tuple[int, ...]]]:
        """Give the shape of every kernel (rows, columns, c_in, c_out) and bias (c_out,)."""
        shapes: dict[str, dict[str, tuple[int, ...]]] = {}
        c_in = 3
        for block in self.blocks:
            names, ends = iter([name for name, _ in block.numbered()]), 0
            for branch in block.branches:
                width = c_in
                for step in branch:
                    for conv in _convs_of(step):
                        shape = (conv.rows, conv.columns, width, conv.channels)
                        shapes[next(names)] = {"kernel": shape, "bias": (conv.channels,)}
                    width = _width(step, width)
                ends += width
            c_in = ends
        return shapes

    def widened(self, channels: Sequence[int]) -> "Branched":
        """Give the same table with other outputs of its convolutions, in the order of `convs`."""
        left = iter(channels)

        def wide(step: Step) -> Step:
            if isinstance(step, Fork):
                return Fork(tuple(conv._replace(channels=next(left)) for conv in step.convs))
            return step._replace(channels=next(left)) if isinstance(step, Conv) else step

        blocks = [
            b._replace(branches=tuple(tuple(wide(s) for s in branch) for branch in b.branches)) for b in self.blocks
        ]
        return dataclasses.replace(self, blocks=tuple(blocks))

    def cut(self, last: str) -> "Branched":
        """Give the network as deep as the layer `last`.

        Raises:
            UserError: no layer of this network.
        """
        self.layer(last)
        known = [layer.name for layer in self.layers]
        there = known[: known.index(last) + 1]
        own = {kind: tuple(n for n in getattr(self, kind) if n in there) for kind in _OWN}
        content = self.held_out_content if self.held_out_content in there else ""
        return dataclasses.replace(self, blocks=self.blocks[: len(there)], held_out_content=content, **own)

    @property
    def last(self) -> str:
        """Name the deepest layer."""
        return self.blocks[-1].name

    def least_side(self, names: Sequence[str]) -> int:
        """Give the smallest picture side that leaves each layer two positions a side, and is at least `smallest`."""
        least = super().least_side(names)
        return max(least, self.smallest) if least > 1 else least

    def configured(self, *, pooling: Pooling, padding: Padding, remat: bool) -> "Branched":
        """Give the network with the pooling that a recipe wants.

        Raises:
            UserError: another padding, or remat: there is no choice.
        """
        super().configured(pooling="max", padding=padding, remat=remat)
        return dataclasses.replace(self, pooling=pooling)

    def prepare(self, params: Params, precision: ops.Precision, platform: str, size: tuple[int, int]) -> Any:
        """Cast and transform the kernels for pictures of `size` (h, w)."""
        plans = {}
        for block, layer in zip(self.blocks, self.layers, strict=True):
            at = layer.positions(size)
            for name, conv in block.numbered():
                kernel, bias = params[name]["kernel"], params[name]["bias"]
                _, _, c_in, c_out = kernel.shape
                method = ops.choose_shaped(platform, _shape(conv), c_in, c_out, at, precision)
                plans[name] = ops.plan_conv(kernel, bias, method, precision)
        return plans

    def apply(
        self, params: Params, x: Features, layers: tuple[str, ...], sides: Sides | None = None
    ) -> dict[str, Features]:
        """Compute the named activations; nothing deeper than the deepest.

        With `sides` the activations are those of this part alone, and 0 elsewhere.
        """
        return self._run(params, {}, x, layers, {}, sides)[0]

    def summarise(
        self, params: Params, plans: Any, x: Features, layers: tuple[str, ...], wanted: Mapping[str, ops.Summaries]
    ) -> tuple[dict[str, Features], dict[str, Any]]:
        """Compute the named activations, and what the summaries make of each layer of `wanted`."""
        return self._run(params, plans, x, layers, wanted, None)

    def _run(
        self,
        params: Params,
        plans: Any,
        x: Features,
        layers: Sequence[str],
        wanted: Mapping[str, ops.Summaries],
        sides: Sides | None,
    ) -> tuple[dict[str, Features], dict[str, Any]]:
        names = {*layers, *wanted}
        pass_ = _Pass(self, params, plans, sides)
        found, made = {}, {}
        grid = _PICTURE
        x = pass_.blank(x, grid)
        for block in self.blocks:
            if names <= found.keys():
                break
            x, grid = pass_.block(block, x, grid)
            if block.name in names:
                x, made[block.name] = ops.late(wanted.get(block.name, ()), x)
                found[block.name] = x
        return {name: found[name] for name in layers}, {name: made[name] for name in wanted}


_OWN = ("style_layers", "content_layers", "held_out")
_PICTURE: Grid = (Axis(), Axis())


def _convs_of(step: Step) -> tuple[Conv, ...]:
    if isinstance(step, Fork):
        return step.convs
    return (step,) if isinstance(step, Conv) else ()


def _width(step: Step, width: int) -> int:
    """Give the channels behind a step."""
    return sum(conv.channels for conv in _convs_of(step)) or width


@dataclass(frozen=True)
class _Pass:
    """One pass through a network: its arrays, and the part of the picture that counts."""

    network: Branched
    params: Params
    plans: Any
    sides: Sides | None

    def block(self, block: Block, x: Features, grid: Grid) -> tuple[Features, Grid]:
        if block.before:
            x, grid = self.step(block.before, x, grid, iter(()))
        names = iter([name for name, _ in block.numbered()])
        ends = []
        for branch in block.branches:
            y, at = x, grid
            for step in branch:
                y, at = self.step(step, y, at, names)
            ends.append((y, at))
        whole = jnp.concatenate([y for y, _ in ends], -1) if len(ends) > 1 else ends[0][0]
        return whole, ends[0][1]

    def step(self, step: Step, x: Features, grid: Grid, names: Iterator[str]) -> tuple[Features, Grid]:
        before, grid = grid, _after(grid, step)
        if isinstance(step, Fork):
            y = jnp.concatenate([self.conv(conv, x, next(names)) for conv in step.convs], -1)
        elif isinstance(step, Conv):
            y = self.conv(step, x, next(names))
        else:
            y = self.pool(step, x, before)
        return self.blank(y, grid), grid

    def pool(self, pool: Pool, x: Features, grid: Grid) -> Features:
        how = pool.side, pool.stride, _borders(pool, pool.side)
        if pool.kind == "max" and self.network.pooling == "max":
            return ops.max_windows(x, *how)
        inside = None if self.sides is None else ops.inside(x.shape, self.positions(grid))
        return ops.mean_windows(x, *how, inside)

    def conv(self, conv: Conv, x: Features, name: str) -> Features:
        if name in self.plans:
            plan = self.plans[name]
        else:
            kernel, bias = self.params[name]["kernel"], self.params[name]["bias"]
            plan = ops.plan_conv(kernel, bias)
        return ops.conv_shaped(x, plan, _shape(conv))

    def positions(self, grid: Grid) -> tuple[Any, Any]:
        assert self.sides is not None
        rows, columns = ((n - axis.lost) // axis.stride for n, axis in zip(self.sides, grid, strict=True))
        return rows, columns

    def blank(self, x: Features, grid: Grid) -> Features:
        """Put zeros, what is beyond a border, where a layer shows the margin around `sides`."""
        if self.sides is None:
            return x
        return jnp.where(ops.inside(x.shape, self.positions(grid))[..., None], x, 0)
