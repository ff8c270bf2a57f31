"""Does only beta / alpha matter, and where not? And what do depth and ratio do (Gatys et al. 2015, Fig. 3)?

Command: python -m experiments.alpha_beta_sweep
    --size 512 --steps 300 where a GPU is at hand.
Cost: 17 minutes (12 of processor time) on two cores of an AMD EPYC that were busy with other programs.
Expected: Adam forgets the scale of a loss, so pictures of one beta / alpha are equal: bit for bit, because the grid's
    factors are powers of two. Two numbers that do not scale along break this: tv, and Adam's epsilon of 1e-8, once
    the gradients are as small.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from experiments import common
from nst_jax import Encoder, Recipe, grid, pose, zipped


@dataclass(frozen=True)
class Config:
    """What is run; alpha is a power of `factor`, beta that times 1024."""

    content: str = "temple"
    style: str = "great_wave"
    size: int = 256
    steps: int = 30
    factor: float = 4.0
    reach: int = 2
    exponents: tuple[int, ...] = (-60, -50, -40, -20, 0)
    tv: float = 1e3
    depth: int = 5
    ratios: tuple[float, ...] = (1.0, 1e1, 1e2, 1e3)


def main(config: Config, encoder: Encoder, runs: Path) -> Path:
    """Solve the grid, the scales and the layer sets; give the run folder."""
    folder = common.run_folder(config, runs)
    pictures = common.picture(config.content, config.size), common.picture(config.style, config.size)
    caption = f"{config.content} x {config.style}, {config.size} px, {config.steps} Adam steps from the content"
    recipe = replace(common.PAPER, optimizer="adam", steps=config.steps)
    problem = pose(encoder, *pictures, recipe=recipe)
    powers = [config.factor**k for k in range(-config.reach, config.reach + 1)]
    square = grid(problem, alpha=powers, beta=[1024 * p for p in powers])
    images, _ = common.solved(folder / "grid.npz", encoder, square)
    found = {(a, 1024 * b): images[i * len(powers) + j] for i, a in enumerate(powers) for j, b in enumerate(powers)}
    first = {}  # of each ratio, the picture that the others are compared with
    rows = []
    for (alpha, beta), image in found.items():
        apart = common.rmse(image, first.setdefault(beta / alpha, image))
        setting = {"part": "grid", "alpha": alpha, "beta": beta, "tv": 0.0}
        rows.append({**setting, "rmse": apart, "rmse_to_centre": common.rmse(image, found[1.0, 1024.0])})
    worst = max(row["rmse"] for row in rows)

    scales = [2.0**k for k in config.exponents]
    lines = {}
    for tv in (0.0, config.tv):
        line = grid(zipped(problem, alpha=scales, beta=[1024 * s for s in scales]), tv=[tv])
        images, _ = common.solved(folder / f"tv{tv:g}.npz", encoder, line)
        lines[tv] = [common.rmse(image, images[-1]) for image in images]
        settings = [{"part": "scale", "alpha": s, "beta": 1024 * s, "tv": tv} for s in scales]
        rows += [{**setting, "rmse": r} for setting, r in zip(settings, lines[tv], strict=True)]
    common.table(folder / "numbers.csv", rows)
    draw(found, powers, scales, lines, folder / "figure.jpg", caption, worst)
    classic(config, encoder, pictures, recipe, folder, caption)
    return folder


def draw(found: dict, powers: list, scales: list, lines: dict, path: Path, caption: str, worst: float):
    """Draw the grid above, and the pictures' change with the scale below."""
    made, above, below = common.halves(7.5, 7.5, (2, 1))
    by_alpha = {f"alpha {a:.3g}": [found[a, 1024 * b] for b in powers] for a in powers}
    common.gallery(above, by_alpha, [f"beta {1024 * b:.6g}" for b in powers])
    above.suptitle(f"One beta / alpha along each falling diagonal: RMSE there at most {worst:.1g}", fontsize=9)
    panel = below.subplots()
    for (tv, line), mark in zip(lines.items(), ("o-", "s--"), strict=True):
        panel.plot(scales, line, mark, label=f"tv = {tv:g}", ms=4)
    panel.set_xscale("log", base=2)
    panel.set_yscale("symlog", linthresh=1e-8)
    panel.set(ylim=(0, 1), xlabel="alpha, with beta = 1024 alpha", ylabel="RMSE to the picture\nof the largest alpha")
    panel.set_title("tv does not scale along, nor does Adam's epsilon", fontsize=9)
    panel.legend(frameon=False)
    common.save(path, made, caption)


def classic(config: Config, encoder: Encoder, pictures: tuple, recipe: Recipe, folder: Path, caption: str) -> None:
    """Draw Fig. 3 of Gatys et al. (2015): layer sets against ratios, in one program, for a weight of 0 is no layer."""
    layers = tuple(f"conv{block}_1" for block in range(1, 6))
    recipe = replace(recipe, style_layers=layers, content_layers=("conv4_2",), pooling="avg")
    sets = [[(k < depth) / depth for k in range(len(layers))] for depth in range(1, config.depth + 1)]
    sweep = grid(pose(encoder, *pictures, recipe=recipe), layer_weights=sets, beta=config.ratios)
    images, _ = common.solved(folder / "layers.npz", encoder, sweep)
    count = len(config.ratios)
    rows = {"conv1_1" + f" to {layers[k][4:]}" * (k > 0): images[k * count : (k + 1) * count] for k in range(len(sets))}
    made = common.figure(7.5, 1.4 * config.depth)
    common.gallery(made, rows, [f"beta / alpha = {r:g}" for r in config.ratios])
    common.save(folder / "layers.jpg", made, caption)


if __name__ == "__main__":
    common.command(main, Config)
