#!/usr/bin/env bash
# Everything to know about a GPU, in 10 minutes: `benchmarks/device.sh`. `--smoke` does the same on a CPU at toy sizes.
# Needs jax, flax, optax, numpy, h5py, pillow, jaxtyping and msgspec, and no network; PyTorch, to compare with; pytest, if there.
# Leaves report.md and report.json in $OUT, or else in runs/device.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "${PYTHON:-python3}" -m benchmarks.device_report "$@"
