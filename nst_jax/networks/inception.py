"""Inception V3 and GoogLeNet by their tables.

Sources: Szegedy et al., Rethinking the Inception Architecture for Computer Vision (2016), as Keras has it; Szegedy et
al., Going Deeper with Convolutions (2015), as torchvision has it: normalised, and 3x3 where the paper has 5x5.
"""

from nst_jax.networks.branched import Block, Branch, Branched, Conv, Fork, Pool

MAX = Pool("max", stride=2)
MEAN = Pool("mean", borders="same")


def _stem(name: str, conv: Conv, before: Pool | None = None) -> Block:
    return Block(name, ((conv,),), before)


def _of_35(name: str, pooled: int, before: Pool | None = None) -> Block:
    """Figure 5 of the paper: a 5x5, and two 3x3."""
    fives = (Conv(48), Conv(64, 5, 5))
    threes = (Conv(64), Conv(96, 3, 3), Conv(96, 3, 3))
    return Block(name, ((Conv(64),), fives, threes, (MEAN, Conv(pooled))), before)


def _of_17(name: str, c: int) -> Block:
    """Figure 6 of the paper: 7x7 as 1x7 and 7x1."""
    once = (Conv(c), Conv(c, 1, 7), Conv(192, 7, 1))
    twice = (Conv(c), Conv(c, 7, 1), Conv(c, 1, 7), Conv(c, 7, 1), Conv(192, 1, 7))
    return Block(name, ((Conv(192),), once, twice, (MEAN, Conv(192))))


def _of_8(name: str) -> Block:
    """Figure 7 of the paper: 3x3 as 1x3 beside 3x1."""
    fork = Fork((Conv(384, 1, 3), Conv(384, 3, 1)))
    return Block(name, ((Conv(320),), (Conv(384), fork), (Conv(448), Conv(384, 3, 3), fork), (MEAN, Conv(192))))


def _half(channels: int) -> Conv:
    return Conv(channels, 3, 3, stride=2, valid=True)


INCEPTION_V3 = Branched(
    "inception_v3",
    (
        _stem("conv1", _half(32)),
        _stem("conv2", Conv(32, 3, 3, valid=True)),
        _stem("conv3", Conv(64, 3, 3)),
        _stem("conv4", Conv(80), MAX),
        _stem("conv5", Conv(192, 3, 3, valid=True)),
        _of_35("mixed0", 32, MAX),
        _of_35("mixed1", 64),
        _of_35("mixed2", 64),
        Block("mixed3", ((_half(384),), (Conv(64), Conv(96, 3, 3), _half(96)), (MAX,))),
        _of_17("mixed4", 128),
        _of_17("mixed5", 160),
        _of_17("mixed6", 160),
        _of_17("mixed7", 192),
        Block(
            "mixed8",
            (
                (Conv(192), _half(320)),
                (Conv(192), Conv(192, 1, 7), Conv(192, 7, 1), _half(192)),
                (MAX,),
            ),
        ),
        _of_8("mixed9"),
        _of_8("mixed10"),
    ),
    smallest=75,
    style_layers=("conv3", "conv5", "mixed0", "mixed2", "mixed4"),
    content_layers=("mixed2",),
    held_out=("conv2", "conv4", "mixed1", "mixed3"),
    held_out_content="mixed1",
)
"""The table of Keras' `InceptionV3` up to its last block; `conv1` to `conv5` are its stem."""


def _module(name: str, one: int, three: tuple[int, int], five: tuple[int, int], pooled: int, *before: Pool) -> Block:
    """Figure 2b of the paper; torchvision's convolution of `five` is 3x3."""
    branches: tuple[Branch, ...] = (
        (Conv(one),),
        (Conv(three[0]), Conv(three[1], 3, 3)),
        (Conv(five[0]), Conv(five[1], 3, 3)),
        (Pool("max", borders="same"), Conv(pooled)),
    )
    return Block(name, branches, *before)


CEIL = Pool("max", stride=2, borders="ceil")

GOOGLENET = Branched(
    "googlenet",
    (
        _stem("conv1", Conv(64, 7, 7, stride=2)),
        _stem("conv2", Conv(64), CEIL),
        _stem("conv3", Conv(192, 3, 3)),
        _module("mixed3a", 64, (96, 128), (16, 32), 32, CEIL),
        _module("mixed3b", 128, (128, 192), (32, 96), 64),
        _module("mixed4a", 192, (96, 208), (16, 48), 64, CEIL),
        _module("mixed4b", 160, (112, 224), (24, 64), 64),
        _module("mixed4c", 128, (128, 256), (24, 64), 64),
        _module("mixed4d", 112, (144, 288), (32, 64), 64),
        _module("mixed4e", 256, (160, 320), (32, 128), 128),
        _module("mixed5a", 256, (160, 320), (32, 128), 128, Pool("max", 2, 2, "ceil")),
        _module("mixed5b", 384, (192, 384), (48, 128), 128),
    ),
    style_layers=("conv3", "mixed3a", "mixed4a", "mixed4b", "mixed4c"),
    content_layers=("mixed3b",),
    held_out=("conv1", "conv2", "mixed4d"),
    held_out_content="mixed4d",
)
"""The table of torchvision's `googlenet`; style and content layers are those of Mordvintsev et al. (2018)."""
