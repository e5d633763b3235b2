"""Trains by an exported step of StableHLO on whatever devices there are. Needs jax alone.

    python train.py FOLDER    with step.mlir, and parameters.npz and batches.npz as `cargo run --example xla -- FOLDER` writes them

Prints the loss of each step. The batch is shared by all devices; XLA inserts the reductions. On several hosts every process runs this file
with JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and JAX_PROCESS_ID set; on TPUs and under Slurm jax finds these by itself.
"""

import os
import pathlib
import re
import sys

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxlib import xla_client

MESH_OF_ONE = 'sdy.mesh @mesh = <["data"=1]>'


def compiled(text, devices):
    """The step for these devices, along the axis "data" of their mesh."""
    options = xla_client.CompileOptions()
    options.num_partitions = len(devices)
    build = options.executable_build_options
    build.num_partitions = len(devices)
    build.use_spmd_partitioning = build.use_shardy_partitioner = True
    build.device_assignment = xla_client.DeviceAssignment.create(np.arange(len(devices)).reshape(1, -1))
    assert MESH_OF_ONE in text, 'the step was not exported with .shard("batch", "data")'
    text = text.replace(MESH_OF_ONE, MESH_OF_ONE.replace("=1", f"={len(devices)}"))
    return devices[0].client.compile_and_load(text, xla_client.DeviceList(tuple(devices)), options)


def main():
    if "JAX_COORDINATOR_ADDRESS" in os.environ:
        jax.distributed.initialize()
    jax.config.update("jax_enable_x64", True)  # Labels are 64-bit integers.
    folder = pathlib.Path(sys.argv[1])
    devices = jax.devices()
    text = (folder / "step.mlir").read_text()
    step = compiled(text, devices)
    mesh = jax.sharding.Mesh(np.array(devices), ("data",))
    shared, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in (("data",), ()))
    put = lambda array, sharding: jax.make_array_from_callback(array.shape, sharding, lambda part: array[part])

    saved = np.load(folder / "parameters.npz")
    names = re.findall("^// argument [0-9]+: parameter (.+): ", text, re.MULTILINE)
    parameters = [put(saved[name], whole) for name in names]
    batches = np.load(folder / "batches.npz")
    for x, labels in zip(batches["x"], batches["labels"]):
        results = step.execute_sharded([put(x, shared), put(labels, shared), *parameters])
        loss, *new = results.disassemble_into_single_device_arrays()
        parameters = [jax.make_array_from_single_device_arrays(part[0].shape, whole, part) for part in new]
        print(f"{float(loss[0]):.9e}", flush=True)


main()
