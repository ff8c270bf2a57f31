"""The slow judge: every formula in NumPy float64, plain enough to check by eye. Shapes as (h, w, c)."""

import numpy as np

Array = np.ndarray
Kernels = dict[str, tuple[Array, Array]]
"""`{"conv1_1": (kernel (3, 3, c_in, c_out), bias (c_out,)), ...}` in order of depth."""

PAD_MODES = {"zero": "constant", "reflect": "reflect", "replicate": "edge"}


def conv(x: Array, kernel: Array, bias: Array, padding: str = "zero") -> Array:
    """Correlate (h, w, c_in) with (3, 3, c_in, c_out), padded by one, and add the bias: (h, w, c_out)."""
    h, w, _ = x.shape
    padded = np.pad(np.asarray(x, float), ((1, 1), (1, 1), (0, 0)), mode=PAD_MODES[padding])  # type: ignore
    y = np.zeros((h, w, kernel.shape[-1])) + np.asarray(bias, float)
    for i in range(3):
        for j in range(3):
            y += padded[i : i + h, j : j + w] @ np.asarray(kernel[i, j], float)
    return y


def relu(x: Array) -> Array:
    """Compute max(x, 0)."""
    return np.maximum(x, 0.0)


def pool(x: Array, kind: str = "max") -> Array:
    """Take the maximum or the mean of each 2x2 window, dropping an odd last row or column."""
    reduce = {"max": np.max, "avg": np.mean}[kind]
    h, w, c = x.shape[0] // 2, x.shape[1] // 2, x.shape[2]
    y = np.zeros((h, w, c))
    for i in range(h):
        for j in range(w):
            y[i, j] = reduce(np.float64(x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2]), axis=(0, 1))
    return y


def preprocess(image: Array, order: str, range_: float, mean: Array, std: Array) -> Array:
    """Turn RGB in [0, 1] into (x[order] range - mean) / std."""
    x = np.asarray(image, float)[..., ["RGB".index(letter) for letter in order]]
    return (x * range_ - np.asarray(mean, float)) / np.asarray(std, float)


def features(kernels: Kernels, x: Array, pooling: str = "max", padding: str = "zero") -> dict[str, Array]:
    """Compute every activation of a preprocessed image: a pool before each convN_1 but the first."""
    found: dict[str, Array] = {}
    for name, (kernel, bias) in kernels.items():
        if name.endswith("_1") and name != "conv1_1":
            x = pool(x, pooling)
        found[name] = conv(x, kernel, bias, padding)
        x = found[name.replace("conv", "relu")] = relu(found[name])
    return found


def content_loss(generated: Array, target: Array) -> float:
    """Compute 1/2 sum (C - G)^2."""
    return float(0.5 * ((np.asarray(generated, float) - np.asarray(target, float)) ** 2).sum())


def gram(features: Array) -> Array:
    """Compute sum over positions of f f^T / M: (h, w, c) -> (c, c), M = h w."""
    c = features.shape[-1]
    total = np.zeros((c, c))
    for f in np.asarray(features, float).reshape(-1, c):
        total += np.outer(f, f)
    return total / (features.shape[0] * features.shape[1])


def style_loss(generated: Array, target: Array) -> float:
    """Compute 1/(4 N^2) sum (Gram_G / M_G - Gram_S / M_S)^2 of two activations of N channels."""
    n = generated.shape[-1]
    return float(((gram(generated) - gram(target)) ** 2).sum() / (4 * n**2))


def root(a: Array) -> Array:
    """Take the square root of a symmetric matrix (c, c) without negative eigenvalues."""
    values, vectors = np.linalg.eigh(a)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def moments(features: Array) -> tuple[Array, Array]:
    """Compute mean (c,) and covariance (c, c) over the positions of (h, w, c)."""
    x = np.asarray(features, float).reshape(-1, features.shape[-1])
    return x.mean(0), np.atleast_2d(np.cov(x.T, bias=True))


def w2(generated: Array, target: Array, eps: float = 1e-6) -> float:
    """Compute 1/N (|m - n|^2 + tr(A + B - 2 (B^1/2 A B^1/2)^1/2)) of means m, n and covariances A, B.

    Each covariance is raised by eps of the Frobenius norm of the second moments about the target's mean.
    """
    (m, a), (n, b) = moments(generated), moments(target)
    a, b = (c + eps * np.linalg.norm(c + np.outer(d, d)) * np.eye(len(c)) for c, d in ((a, m - n), (b, 0 * n)))
    cross = root(root(b) @ a @ root(b))
    return float(((m - n) ** 2).mean() + np.diag(b + a - 2 * cross).mean())


def spread(features: Array, least: float = 0.0) -> tuple[Array, Array]:
    """Compute mean (c,) and standard deviation (c,), `least` added to each variance."""
    x = np.asarray(features, float).reshape(-1, features.shape[-1])
    return x.mean(0), np.sqrt(x.var(0) + least)


def spread_distance(generated: Array, target: Array) -> float:
    """Compute |m - n|^2 + |s - t|^2 of means and deviations, 1e-5 of the target's mean square added to variances."""
    least = 1e-5 * (np.asarray(target, float) ** 2).mean()
    return float(
        sum(((a - b) ** 2).sum() for a, b in zip(spread(generated, least), spread(target, least), strict=True))
    )


def mmd_poly(generated: Array, target: Array, c: float = 1.0) -> float:
    """Compute 1/(4 N^2) MMD^2 pair by pair with the kernel (x . y + c q)^2, q the target's mean of |y|^2."""
    x, y = (np.asarray(f, float).reshape(-1, f.shape[-1]) for f in (generated, target))
    shift = c * (y**2).sum(1).mean()

    def kernel(a: Array, b: Array) -> float:
        return float(((a @ b.T + shift) ** 2).mean())

    return (kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)) / (4 * x.shape[-1] ** 2)


def waves(features: Array, frequencies: Array, phases: Array) -> Array:
    """Compute the mean over positions of sqrt(2/D) cos(W^T F + b)."""
    x = np.asarray(features, float).reshape(-1, features.shape[-1])
    return np.sqrt(2 / len(phases)) * np.cos(x @ np.asarray(frequencies, float) + np.asarray(phases, float)).mean(0)


def long_range(generated: Array, target: Array) -> float:
    """Average the squared differences of products of features some way apart, over the ways that both have."""

    def products(f: Array) -> dict[tuple[int, int], Array]:
        f, (h, w, _) = np.asarray(f, float), f.shape
        found = {(0, 0): gram(f)}
        for k in range(20):
            d = 2**k
            if d <= h // 2:
                found[d, 0] = np.einsum("hwi,hwj->ij", f[:-d], f[d:]) / ((h - d) * w)
            if d <= w // 2:
                found[0, d] = np.einsum("hwi,hwj->ij", f[:, :-d], f[:, d:]) / (h * (w - d))
        return found

    a, b = products(generated), products(target)
    gaps = [((a[d] - b[d]) ** 2).sum() for d in a.keys() & b.keys()]
    return float(np.mean(gaps) / (4 * generated.shape[-1] ** 2))


def ranks(ordered: Array, count: int) -> Array:
    """Give sorted values (k,) at the levels (j + 1/2) / count, in proportion between two of them."""
    at = np.clip((np.arange(count) + 0.5) * len(ordered) / count - 0.5, 0, len(ordered) - 1)
    return np.interp(at, np.arange(len(ordered)), ordered)


def sliced(generated: Array, target: Array, directions: Array) -> float:
    """Average (sort(F v) - sort(F_s v))^2 over directions (D, c) and ranks."""
    x, y = (np.asarray(f, float).reshape(-1, f.shape[-1]) for f in (generated, target))
    gaps = [np.sort(x @ v) - ranks(np.sort(y @ v), len(x)) for v in np.asarray(directions, float)]
    return float(np.mean(np.square(gaps)))


def patches(features: Array, p: int = 3) -> Array:
    """List all patches of p x p positions of (h, w, c)."""
    f, (h, w, _) = np.asarray(features, float), features.shape
    return np.stack([f[i : i + p, j : j + p].ravel() for i in range(h - p + 1) for j in range(w - p + 1)])


def nearest(generated: Array, target: Array) -> float:
    """Average the squared difference of each patch and the one of the target that correlates most with it."""
    x, y = patches(generated), patches(target)
    found = y[np.argmax(x @ (y / np.linalg.norm(y, axis=1, keepdims=True)).T, 1)]
    return float(np.mean((x - found) ** 2))


def directions(x: Array, y: Array) -> Array:
    """Divide rows x by their length, 1e-6 of the mean squared length of y added to its square."""
    return x / np.sqrt((x**2).sum(1, keepdims=True) + 1e-6 * (y**2).sum(1).mean())


def remd(generated: Array, target: Array) -> float:
    """Compute the larger of the mean cosine distances to the nearest, from either side."""
    x, y = (np.asarray(f, float).reshape(-1, f.shape[-1]) for f in (generated, target))
    cost = 1 - directions(x, y) @ directions(y, y).T
    return float(max(cost.min(1).mean(), cost.min(0).mean()))


def contextual(generated: Array, target: Array, width: float = 0.5) -> float:
    """Compute -log mean_j max_i CX_ij, less that of the target with itself."""
    x, y = (np.asarray(f, float).reshape(-1, f.shape[-1]) for f in (generated, target))
    mean = y.mean(0)
    own = directions(y - mean, y - mean)

    def loss(other: Array) -> float:
        d = (1 - other @ own.T) / 2
        w = np.exp((1 - d / (d.min(1, keepdims=True) + 1e-5)) / width)
        return -float(np.log((w / w.sum(1, keepdims=True)).max(0).mean()))

    return loss(directions(x - mean, y - mean)) - loss(own)


def self_similarity(generated: Array, target: Array) -> float:
    """Compute n mean |D - D'| of pairwise cosine distances whose columns are divided by their sums."""

    def distances(f: Array) -> Array:
        f = np.asarray(f, float).reshape(-1, f.shape[-1])
        own = directions(f, np.asarray(target, float).reshape(-1, f.shape[-1]))
        d = 1 - own @ own.T
        return d / (d.sum(0, keepdims=True) + 1e-6 * len(d))

    a, b = distances(generated), distances(target)
    return float(len(a) * np.abs(a - b).mean())


def laplacian(generated: Array, target: Array, p: int = 4) -> float:
    """Average the squared difference of Laplacians, summed over colours, of pictures averaged over p x p pixels."""

    def edges(x: Array) -> Array:
        h, w = x.shape[0] // p, x.shape[1] // p
        small = np.array(
            [[255 * x[p * i : p * i + p, p * j : p * j + p].mean((0, 1)).sum() for j in range(w)] for i in range(h)]
        )
        inner = 4 * small[1:-1, 1:-1]
        return inner - small[:-2, 1:-1] - small[2:, 1:-1] - small[1:-1, :-2] - small[1:-1, 2:]

    return float(np.mean((edges(np.asarray(generated, float)) - edges(np.asarray(target, float))) ** 2))


def matting_matrix(picture: Array, eps: float = 1e-5) -> Array:
    """Build Levin's Laplacian (pixels, pixels) of a picture (h, w, 3), window by window."""
    x, (h, w, _) = np.asarray(picture, float), picture.shape
    total = np.zeros((h * w, h * w))
    for i in range(h - 2):
        for j in range(w - 2):
            at = [(i + a) * w + j + b for a in range(3) for b in range(3)]
            colours = x.reshape(-1, 3)[at]
            mean = colours.mean(0)
            s = np.linalg.inv((colours - mean).T @ (colours - mean) / 9 + eps / 9 * np.eye(3))
            total[np.ix_(at, at)] += np.eye(9) - (1 + (colours - mean) @ s @ (colours - mean).T) / 9
    return total


def matting(generated: Array, target: Array) -> float:
    """Compute the sum over colours of v^T L v, L being that of the target."""
    v = np.asarray(generated, float).reshape(-1, 3)
    return float(np.einsum("ic,ij,jc->", v, matting_matrix(target), v))


def total_variation(image: Array) -> float:
    """Compute the sum of squared differences between vertical and horizontal neighbours."""
    h, w, _ = image.shape
    x, total = np.asarray(image, float), 0.0
    for i in range(h):
        for j in range(w):
            if i + 1 < h:
                total += ((x[i + 1, j] - x[i, j]) ** 2).sum()
            if j + 1 < w:
                total += ((x[i, j + 1] - x[i, j]) ** 2).sum()
    return float(total)


def terms(
    generated: dict[str, Array],
    content: dict[str, Array],
    style: dict[str, Array],
    image: Array,
    content_layers: tuple[str, ...],
    style_layers: tuple[str, ...],
) -> dict[str, float]:
    """Compute every unweighted loss as nst_jax names it: `content/relu4_2`, `style/relu1_1`, ..., `variation/image`."""
    return {
        **{f"content/{name}": content_loss(generated[name], content[name]) for name in content_layers},
        **{f"style/{name}": style_loss(generated[name], style[name]) for name in style_layers},
        "variation/image": total_variation(image),
    }


def total(terms: dict[str, float], alpha: float, beta: float, tv: float, layer_weights: dict[str, float]) -> float:
    """Compute alpha sum content + beta sum_l w_l style_l + tv TV."""
    content = sum(value for name, value in terms.items() if name.startswith("content/"))
    style = sum(w * terms[f"style/{name}"] for name, w in layer_weights.items())
    return alpha * content + beta * style + tv * terms["variation/image"]


def random_kernels(blocks: tuple[int, ...] = (2, 1), channels: tuple[int, ...] = (4, 5), seed: int = 0) -> Kernels:
    """Draw a tiny VGG: `blocks` convolutions a block with `channels` outputs, scaled as by He et al."""
    rng, c_in, found = np.random.default_rng(seed), 3, {}
    for block, (count, c) in enumerate(zip(blocks, channels, strict=True), 1):
        for index in range(1, count + 1):
            kernel = rng.normal(0, np.sqrt(2 / (9 * c_in)), (3, 3, c_in, c))
            found[f"conv{block}_{index}"] = (kernel, rng.normal(0, 0.1, c))
            c_in = c
    return found


def gradient(f, x: Array, positions: Array, step: float = 1e-5) -> Array:
    """Take central differences of a scalar function at index tuples `positions` (k, x.ndim): (k,)."""
    slopes = []
    for position in map(tuple, positions):
        shift = np.zeros(x.shape)
        shift[position] = step
        slopes.append((f(x + shift) - f(x - shift)) / (2 * step))
    return np.array(slopes)
