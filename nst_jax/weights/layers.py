"""Put named arrays together into layers, in whichever spelling of names their writer had."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from nst_jax.weights.found import Tensor

_SPELLINGS = {
    "kernel": ("kernel", "kernels", "weight", "weights", "filter", "filters", "w"),
    "bias": ("bias", "biases", "b"),
    "gamma": ("gamma", "scale"),
    "beta": ("beta", "offset"),
    "mean": ("moving_mean", "running_mean", "mean"),
    "variance": ("moving_variance", "running_var", "variance", "var"),
}
_ROLES = {spelling: role for role, spellings in _SPELLINGS.items() for spelling in spellings}
_LEAF = re.compile(rf"(?:^|[./_])({'|'.join(sorted(_ROLES, key=len, reverse=True))})(?:_\d+)?(?::\d+)?$", re.IGNORECASE)
# What a component of a name must have to count as the place of a layer; what stands before it is the network's.
_PLACE = re.compile(r"conv|block|features?|slice|batch|norm|bn|^\d+$|(?:layer|stage|enc)[_-]?\d", re.IGNORECASE)


@dataclass
class Layer:
    """The arrays of one layer by role, and where its name puts it.

    Attributes:
        prefix: whose it is: all of the name before the layer's own place; `net` of `net.features.0`.
        place: the numbers in the rest, which order the layers: (1, 2) of `conv1_2`.
    """

    name: str
    arrays: dict[str, Tensor] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        return self._split[0]

    @property
    def place(self) -> tuple[int, ...]:
        return tuple(int(digits) for digits in re.findall(r"\d+", self._split[1]))

    @property
    def _split(self) -> tuple[str, str]:
        parts = re.split(r"([./])", self.name)
        for i, part in enumerate(parts):
            if match := _PLACE.search(part):
                own = part[: match.start()] if re.search(r"\d", part[: match.start()]) else ""
                return "".join(parts[:i]) + own, part[len(own) :] + "".join(parts[i + 1 :])
        return "".join(parts[:-1]), parts[-1]

    @property
    def kernel(self) -> Tensor | None:
        """The kernel of a convolution of any size."""
        kernel = self.arrays.get("kernel")
        return kernel if kernel is not None and len(kernel.shape) == 4 else None

    @property
    def is_conv(self) -> bool:
        """Whether this is a convolution of 3x3, in any layout."""
        return self.kernel is not None and is_3x3(self.kernel.shape)

    @property
    def is_pointwise(self) -> bool:
        """Whether this is a convolution of 1x1 from three channels to three."""
        return self.kernel is not None and sorted(self.kernel.shape) == [1, 1, 3, 3] and not self.is_conv

    @property
    def is_norm(self) -> bool:
        """Whether this is batch normalization: it has a mean and a variance of what it saw."""
        return "mean" in self.arrays and "variance" in self.arrays

    @property
    def is_scale(self) -> bool:
        """Whether this scales or shifts channels by itself: other normalizations, PReLU."""
        sizes = [len(t.shape) for t in self.arrays.values()]
        return bool(sizes) and set(sizes) == {1} and not self.is_norm


def is_3x3(shape: tuple[int, ...]) -> bool:
    """Tell a kernel of 3x3 from its shape; (3, 3, 1, 1) is one of 1x1."""
    if len(shape) != 4 or sorted(shape)[:2] == [1, 1]:
        return False
    return (3, 3) in (shape[:2], shape[1:3], shape[2:])


def layers_of(tensors: Iterable[Tensor]) -> list[Layer]:
    """Group arrays by the layer that their names share; nameless ones by turns, a kernel and the bias behind it."""
    layers: dict[str, Layer] = {}
    last: Layer | None = None
    for tensor, name, role in _roles(tensors):
        if role is None and len(tensor.shape) == 4:
            last = layers.setdefault(tensor.name, Layer(tensor.name, {"kernel": tensor}))
        elif role is None:
            if last is not None and len(tensor.shape) == 1 and "bias" not in last.arrays:
                last.arrays["bias"] = tensor
            last = None
        else:
            layers.setdefault(name, Layer(name)).arrays[role] = tensor
    for layer in layers.values():
        _rename_norm(layer)
    return list(layers.values())


def _roles(tensors: Iterable[Tensor]) -> Iterator[tuple[Tensor, str, str | None]]:
    for tensor in tensors:
        match = _LEAF.search(tensor.name)
        if match is None:
            yield tensor, tensor.name, None
        else:
            yield tensor, tensor.name[: match.start()], _ROLES[match[1].lower()]


def _rename_norm(layer: Layer) -> None:
    """Call the weight of a normalization gamma, and its bias beta, as the equation does."""
    if layer.is_norm and layer.kernel is None:
        for theirs, ours in (("kernel", "gamma"), ("bias", "beta")):
            if theirs in layer.arrays:
                layer.arrays[ours] = layer.arrays.pop(theirs)
