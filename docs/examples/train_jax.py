"""A program with JAX: all processes hold a part of one array, and add it up."""

import os

import jax

if int(os.environ.get("WORLD_SIZE", "1")) > 1:  # before anything else of JAX
    jax.distributed.initialize()

import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

devices = jax.devices()  # of all processes; jax.local_devices() are those of this one
parts = NamedSharding(Mesh(devices, ("part",)), PartitionSpec("part"))
numbers = jax.make_array_from_callback((len(devices),), parts, lambda index: jnp.arange(len(devices))[index])
total = jax.jit(jnp.sum)(numbers)
if jax.process_index() == 0:
    print(f"{jax.process_count()} processes, {len(devices)} devices, sum {total}")
