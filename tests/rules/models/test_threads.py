"""Clusters are found on one thread, whoever loaded OpenMP before: several spin for fifty times the CPU."""

from __future__ import annotations

import os
import subprocess
import sys

FIT = """
import numpy, psutil, sklearn.cluster
from rules.models.clusters.centres import fit, groups
matrix = numpy.random.default_rng(1).normal(size=(600, 4))
process = psutil.Process()
before = process.num_threads()
fit(matrix, 3, seed=1)
groups(matrix, 3, numpy.ones(600, dtype=numpy.int64), seed=1, starts=2)
print("MORE", process.num_threads() - before)
"""


def test_fits_start_no_thread_where_openmp_is_loaded_already() -> None:
    more = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", FIT], capture_output=True, text=True, check=True, env={**os.environ, **more}
    )
    assert done.stdout.rstrip() == "MORE 0"
