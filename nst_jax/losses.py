"""The terms of the objective: one equation each, arrays -> scalar, computed in float32."""

import jax.numpy as jnp

from nst_jax.types import Features, Gram, Image, Scalar


def content(features: Features, target: Features) -> Scalar:
    """Compute 1/2 sum_ij (C_ij - G_ij)^2 of two activations (h, w, c): Gatys et al. (2015), eq. 1."""
    return 0.5 * jnp.sum(jnp.square(features.astype(jnp.float32) - target))


def style(gram: Gram, target: Gram) -> Scalar:
    """Compute 1/(4 N^2) sum_ij (Gram_S / M_S - Gram_G / M_G)_ij^2 of two normalised Grams (c, c), N = c channels.

    Gatys et al. (2015), eq. 4, writes 1/(4 N^2 M^2) sum (Gram_S - Gram_G)^2. Here each Gram is already divided by
    its own number of positions M, so that the pictures may differ in size; for equal sizes it is the same number.
    """
    return jnp.sum(jnp.square(gram - target)) / (4 * gram.shape[-1] ** 2)


def total_variation(image: Image) -> Scalar:
    """Compute the sum of squared differences between neighbouring pixels of an image (h, w, 3) in [0, 1].

    Mahendran and Vedaldi (2015), eq. 3 with beta = 2.
    """
    down, right = image[1:] - image[:-1], image[:, 1:] - image[:, :-1]
    return jnp.sum(jnp.square(down)) + jnp.sum(jnp.square(right))
