"""A process that has imported snakemake and what jobs use, and forks itself for every call that the tests ask for.

Imports take most of the time of a plan, and of a job on data as small as those of tests. A call is still a process of
its own, which runs the command line of snakemake from its arguments to its exit status, in its own environment and
directory; and so is each of its jobs, which runs the script that snakemake wrote for it. Nothing of this project is
imported beforehand.

Calls come as lines of JSON on standard input; the exit status of each goes to standard output. The end of the input
ends the server.
"""

import atexit
import gc
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Lock
from typing import Any, NoReturn

THREADS = ("OMP_NUM_THREADS", "GOTO_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def next_call() -> dict[str, Any]:
    """Serve calls: this returns in the fork that is to run one, and never in the server."""
    for line in sys.stdin:
        call = json.loads(line)
        process = os.fork()
        if process == 0:
            return call
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    sys.exit()


def become(call: dict[str, Any]) -> None:
    """Take what a process gets from the one that starts it."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(call["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(call["environment"])
    os.chdir(call["directory"])
    # as `python -m snakemake` has it
    sys.path[0] = call["directory"]
    sys.argv[:] = [os.path.join(os.path.dirname(cli.__file__), "__main__.py"), *call["arguments"]]


def next_job(requests: socket.socket) -> dict[str, Any]:
    """Serve the jobs of one call: this returns in the fork that is to run one, and never in the server."""
    while True:
        message, files, _, _ = socket.recv_fds(requests, 1, 1)
        if not message:
            with suppress(ChildProcessError):
                while True:
                    os.wait()
            os._exit(0)
        with socket.socket(fileno=files[0]) as caller:
            # a process between waits for the job, so that jobs run beside each other
            if os.fork() == 0:
                requests.close()
                with caller.makefile("rw") as lines:
                    request = json.loads(lines.readline())
                    job = os.fork()
                    if job == 0:
                        return request
                    print(job, file=lines, flush=True)
                    _, status = os.waitpid(job, 0)
                    print(os.waitstatus_to_exitcode(status), file=lines, flush=True)
                os._exit(0)


def run_job(job: dict[str, Any]) -> None:
    """Run the script of a job with its number of threads, of which libraries asked the environment when they came."""
    os.chdir(job["directory"])
    os.environ.update(job["environment"])
    os.environ.update(dict.fromkeys(THREADS, str(job["threads"])))
    threadpoolctl.threadpool_limits(job["threads"])
    torch.set_num_threads(job["threads"])
    pyarrow.set_cpu_count(job["threads"])
    sys.argv = [job["script"]]
    sys.path[0] = os.path.dirname(job["script"])
    runpy.run_path(job["script"], run_name="__main__")


def forks_scripts(requests: socket.socket, start_interpreter: Callable) -> Callable:
    """What snakemake shall call to run the Python script of a job, which is otherwise an interpreter of its own."""
    lock = Lock()

    def execute_script(job: Any, script: str, edit: bool = False) -> None:
        if job.conda_env or job.env_modules or job.container_img:
            start_interpreter(job, script, edit)
            return
        request = {
            "script": script,
            "directory": os.getcwd(),
            "environment": dict(os.environ),
            "threads": job.threads,
        }
        ours, theirs = socket.socketpair()
        with lock, theirs:
            socket.send_fds(requests, [b"."], [theirs.fileno()])
        with ours, ours.makefile("rw") as lines:
            print(json.dumps(request), file=lines, flush=True)
            with benchmark.benchmarked(int(lines.readline()), job.bench_record):
                status = int(lines.readline())
        if status:
            raise subprocess.CalledProcessError(status, f"{sys.executable} {script}")

    return execute_script


def end_after(work: Callable[[], None]) -> NoReturn:
    """Do `work` and end as the interpreter does, except that it leaves to the system what is in memory.

    To take that apart would first copy every page that the fork shares with the server, which takes longer than a plan.
    """
    status = 0
    try:
        work()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        # the interpreter's status where it cannot write what was printed
        status = status or 120
    finally:
        os._exit(status)


def run_call(ours: socket.socket, jobs: int) -> None:
    """Run the command line of snakemake; `jobs` is the process that serves its jobs, which ends with it."""
    script.PythonScript.execute_script = forks_scripts(ours, script.PythonScript.execute_script)
    try:
        cli.main()
    finally:
        ours.close()
        os.waitpid(jobs, 0)


if __name__ == "__main__":
    import faiss  # noqa: F401
    import jsonschema  # noqa: F401
    import pyarrow.compute
    import pyarrow.csv
    import pyarrow.parquet
    import scipy.stats  # noqa: F401
    import threadpoolctl
    import torch

    # comes with the first step of an optimizer
    import torch._dynamo
    from safetensors import torch as _  # noqa: F401
    from snakemake import benchmark, cli, script

    # imports every plugin
    cli.get_argument_parser()
    gc.freeze()
    become(next_call())
    ours, theirs = socket.socketpair()
    jobs = os.fork()
    if jobs == 0:
        ours.close()
        job = next_job(theirs)
        end_after(partial(run_job, job))
    else:
        theirs.close()
        end_after(partial(run_call, ours, jobs))
