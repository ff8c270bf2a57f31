"""Do early layers give finer texture, and are many layers together best?

Command: python -m experiments.layer_depth
    --size 512 --steps 500 where a GPU is at hand.
Cost: 4 minutes (115 s of processor time) on two cores of an AMD EPYC that were busy with other programs.
Expected: one layer alone makes patterns of the size of its receptive field, so its spectrum is right above that
    frequency only; all layers together are closest to the style, by measures at layers that none of them optimises.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import jax
import numpy as np

from experiments import common
from nst_jax import Encoder, grid, pose, terms
from nst_jax.problem import start


@dataclass(frozen=True)
class Config:
    """What is run: textures from noise (alpha = 0), one style layer at a time and growing sets."""

    style: str = "village_street_auvers"
    size: int = 256
    steps: int = 60
    lr: float = 0.08


def spectrum(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average |FFT|^2 of the grey picture, under a Hann window, over rings: (cycles a pixel, power)."""
    h, w, _ = image.shape
    grey = image.mean(-1) - image.mean()
    power = np.abs(np.fft.fft2(grey * np.outer(np.hanning(h), np.hanning(w)))) ** 2
    ring = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.fftfreq(w)[None])
    edges = np.geomspace(2 / min(h, w), 0.5, 13)
    found = [power[(ring >= low) & (ring < high)] for low, high in pairwise(edges)]
    return np.sqrt(edges[1:] * edges[:-1]), np.array([x.mean() if x.size else np.nan for x in found])


def main(config: Config, encoder: Encoder, runs: Path) -> Path:
    """Make a texture from each set of layers, all in one compiled program; give the run folder."""
    folder = common.run_folder(config, runs)
    style = common.picture(config.style, config.size)
    moving = {"optimizer": "adam", "lr": config.lr, "steps": config.steps}
    recipe = replace(common.PAPER, alpha=0.0, content_layers=(), init="noise", **moving)
    problem = pose(encoder, style, style, recipe=recipe)
    layers = recipe.style_layers
    unit = np.eye(len(layers))
    # A Gram of a deep layer is larger: weighed alike, the largest rules. Balanced: all begin with the same loss.
    begin = jax.device_get(terms(encoder, problem, start(problem)))
    balanced = np.array([1 / begin[f"style/{layer}"] for layer in layers])
    sets = dict(zip(layers, unit, strict=True))
    sets |= {f"1_1 to {k}_1": np.cumsum(unit, 0)[k - 1] for k in range(2, len(layers) + 1)}
    sets["all, balanced"] = balanced / balanced.max()
    sweep = grid(problem, layer_weights=list(sets.values()))
    images, _ = common.solved(folder / "found.npz", encoder, sweep)
    held = common.judged(folder / "held_out.json", encoder, images, style, style)

    frequency, wanted = spectrum(style)
    powers = {name: spectrum(image)[1] for name, image in zip(sets, images, strict=True)}
    rows = []
    for (name, power), metrics in zip(powers.items(), held, strict=True):
        decades = np.log10(power / wanted)
        bands = {f"log10_power_ratio_at_{f:.3g}": d for f, d in zip(frequency, decades, strict=True)}
        judged = {key: metrics[key] for key in ("style_bures", "style_sliced")}
        rows.append({"layers": name, "spectrum_rms_decades": np.sqrt(np.nanmean(decades**2)), **judged, **bands})
    common.table(folder / "numbers.csv", rows)
    draw(config, folder, style, dict(zip(sets, images, strict=True)), frequency, wanted, powers)
    return folder


def draw(config: Config, folder: Path, style, images: dict, frequency, wanted, powers: dict) -> None:
    """Draw the textures above and their spectra, divided by the style's, below."""
    made, above, below = common.halves(8.5, 6, (1, 1.3))
    panels = np.ravel(above.subplots(2, 6))
    for panel in panels:
        panel.set_axis_off()
    for panel, (name, image) in zip(panels, {"style": style, **images}.items(), strict=False):
        common.show(panel, image)
        panel.set_title(name, fontsize=8)
    for panel, names in zip(below.subplots(1, 2, sharey=True), (list(powers)[:5], list(powers)[5:]), strict=True):
        for name in names:
            panel.plot(frequency, powers[name] / wanted, marker=".", lw=1.2, label=name)
        panel.axhline(1, color="k", lw=0.8, ls=":", label="style")
        panel.set(xscale="log", yscale="log", xlabel="frequency, cycles a pixel")
        panel.set_xticks([1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2], ["1/32", "1/16", "1/8", "1/4", "1/2"])
        panel.minorticks_off()
        panel.legend(frameon=False, fontsize=7)
    below.axes[0].set_ylabel("power / the style's power")
    caption = f"texture of {config.style} from noise, {config.size} px, {config.steps} Adam steps of {config.lr}"
    common.save(folder / "figure.jpg", made, caption)


if __name__ == "__main__":
    common.command(main, Config)
