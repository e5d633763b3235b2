"""Runs programs of StableHLO by XLA on the CPU and holds what they give to recorded values.

    compare.py FOLDER     with folders of N.mlir, arrays.npz (N.x0, … are fed, N.y0, … are wanted) and index.tsv (N, tolerance, label)
"""

import concurrent.futures
import pathlib
import sys

import jax
import numpy as np
from jaxlib import xla_client

jax.config.update("jax_enable_x64", True)
DEVICE = jax.devices("cpu")[0]


def run(text, fed):
    devices = xla_client.DeviceList((DEVICE,))
    program = DEVICE.client.compile_and_load(text, devices, xla_client.CompileOptions())
    return [np.asarray(array) for array in program.execute([jax.device_put(array, DEVICE) for array in fed])]


def distance(got, want):
    """The largest difference relative to the larger of 1 and the numbers; infinite where kinds of numbers differ."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return np.inf
    if got.size == 0:
        return 0.0
    if got.dtype.kind != "f":
        return 0.0 if np.array_equal(got, want) else np.inf
    with np.errstate(all="ignore"):
        off = np.abs(got.astype(np.float64) - want) / np.maximum(np.abs(want.astype(np.float64)), 1)
    same = (got == want) | (np.isnan(got) & np.isnan(want))
    off = np.where(same, 0.0, np.where(np.isfinite(got) & np.isfinite(want), off, np.inf))
    return float(off.max())


def numbered(arrays, number, letter):
    found = []
    while f"{number}.{letter}{len(found)}" in arrays:
        found.append(arrays[f"{number}.{letter}{len(found)}"])
    return found


def check(case):
    """How far values are off, and what is wrong."""
    folder, arrays, (number, tolerance, label) = case
    name = f"FAILED {folder.name} {number}, {label}"
    try:
        got = run((folder / f"{number}.mlir").read_text(), numbered(arrays, number, "x"))
    except Exception as error:
        return np.inf, f"{name}: {str(error)[:400]}"
    want = numbered(arrays, number, "y")
    off = max(map(distance, got, want)) if len(got) == len(want) else np.inf
    return off, f"{name}: off by {off:.1e}: {got}, not {want}" if off > float(tolerance) else None


def main():
    n_failed = 0
    folders = sorted(path.parent for path in pathlib.Path(sys.argv[1]).glob("*/index.tsv"))
    assert folders, "there are no programs"
    for folder in folders:
        arrays = dict(np.load(folder / "arrays.npz"))
        lines = [line.split("\t") for line in (folder / "index.tsv").read_text().splitlines()]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            results = list(pool.map(check, [(folder, arrays, line) for line in lines]))
        failures = [failure for _, failure in results if failure]
        print(*failures, sep="\n", end="\n" if failures else "")
        print(f"{folder.name}: {len(lines) - len(failures)} of {len(lines)} programs agree")
        for tolerance in sorted({tolerance for _, tolerance, _ in lines}):
            worst = max(off for (off, _), line in zip(results, lines) if line[1] == tolerance)
            print(f"    where {tolerance} is allowed, the worst is off by {worst:.1e}")
        n_failed += len(failures)
    sys.exit(1 if n_failed else 0)


main()
