"""The layers of one network in somebody's file, found and not yet read."""

from dataclasses import dataclass, field

from nst_jax.networks import Preprocessing, Table
from nst_jax.weights.layers import Layer


@dataclass(frozen=True)
class Located:
    """The layers of one network in a file: its convolutions in order of depth, what is among them.

    Attributes:
        order: how its kernels lie.
        convs: one for each of the network's `convs`.
        norms: batch normalization of each, or none at all.
        first: a convolution before them that is the preprocessing.
        preprocessing: what its publisher's own weights want, where nothing else tells.
        epsilon: of batch normalization, by layer; "" is that of all others.
    """

    network: Table
    order: str
    convs: list[Layer]
    norms: list[Layer]
    first: Layer | None = None
    preprocessing: Preprocessing | None = None
    epsilon: dict[str, float] = field(default_factory=dict)


def straight(shape: tuple[int, ...], order: str) -> tuple[int, ...]:
    """Give the shape of a kernel as (rows, columns, c_in, c_out)."""
    return tuple(shape[order.index(axis)] for axis in "HWIO")


def as_wide(network: Table, kernels: list[tuple[int, ...]]) -> Table | None:
    """Give the network with the widths of these kernels (rows, columns, c_in, c_out), if they are its own."""
    if len(kernels) != len(network.convs):
        return None
    wide = network.widened([kernel[-1] for kernel in kernels])
    wanted = [leaves["kernel"] for leaves in wide.param_shapes().values()]
    return wide if min(wide.channels) > 0 and kernels == wanted else None
