"""The process that a library runs in: reads a request a line, answers with a line.

Started by `bench.processes`; the arguments are the task and its case as JSON.
"""

import gc
import json
import os
import sys
import time
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import numpy as np

from bench.methods import Case, Method, Run
from bench.tasks import methods_of


def blas_cores() -> str:
    """The kind of CPU that the OpenBLAS of each library in this process takes this one for, separated by semicolons."""
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["internal_api"] == "openblas"]
    owners = [Path(pool["filepath"]).parent.name.removesuffix(".libs") for pool in pools]
    return "; ".join(sorted(f"{owner} {pool['architecture']}" for owner, pool in zip(owners, pools, strict=True)))


def serve(requests: IO[str], answers: IO[str], methods: dict[str, Method], case: Case) -> None:
    """Run what each request names, save its arrays, and answer with seconds or with why it failed."""
    all_rows = np.load(case.rows)
    runs: dict[str, Run] = {}
    for line in requests:
        request = json.loads(line)
        method = methods[request["method"]]
        answer: dict[str, Any]
        try:
            if method.label not in runs:
                runs[method.label] = method.prepare(case, **method.options)
            rows = all_rows[: request["rows"]] if request["rows"] else all_rows
            gc.collect()
            started = time.perf_counter()
            arrays = runs[method.label](rows, request["seed"])
            seconds = time.perf_counter() - started
            np.savez(request["output"], **arrays)  # type: ignore[arg-type]
            answer = {"seconds": seconds, "version": version(method.package), "blas": blas_cores()}
        except Exception as error:  # the parent reports it as the method's row
            traceback.print_exc()
            answer = {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    # libraries print to standard output: keep it for the answers alone
    answers_only = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    task, case_json = sys.argv[1:]
    serve(sys.stdin, answers_only, {method.label: method for method in methods_of(task)}, Case(**json.loads(case_json)))
