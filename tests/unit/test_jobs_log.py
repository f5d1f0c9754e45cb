"""A job's log holds everything the job says, and its last line says why it failed."""

import subprocess
import sys
import time
from pathlib import Path

import pytest


def run(body: str, folder: Path) -> tuple[subprocess.CompletedProcess, list[str]]:
    """Run `body` inside a job log, in a process of its own: the log takes over descriptors 1 and 2."""
    script = (
        "import logging, os, subprocess, sys\nfrom semid.jobs.log import job_log\nprint('before')\n"
        "with job_log('logs/job.log'):\n"
        + "\n".join(f"    {line}" for line in body.splitlines())
        + "\nprint('after')\nprint('after, to stderr', file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True)
    return done, (folder / "logs" / "job.log").read_text().splitlines()


def test_everything_a_job_says_is_in_its_log(tmp_path: Path):
    done, log = run(
        "print('printed')\n"
        "print('to stderr', file=sys.stderr)\n"
        "os.write(1, b'written to 1\\n')\n"
        "os.write(2, b'written to 2\\n')\n"
        "subprocess.run([sys.executable, '-c', 'print(\"from a child\")'])\n"
        "logging.getLogger('semid.quantizers').info('logged')",
        tmp_path,
    )
    assert done.returncode == 0
    for said in ("printed", "to stderr", "written to 1", "written to 2", "from a child"):
        assert said in log
    assert any(line.endswith(" logged") for line in log)
    assert " done in " in log[-1]


def test_a_warning_is_found_in_the_log_by_its_mark(tmp_path: Path):
    body = "logger = logging.getLogger('semid.data')\nlogger.warning('%d of %d lost', 3, 7)\nlogger.info('all read')"
    _, log = run(body, tmp_path)
    assert [line.partition(" ")[2] for line in log[:2]] == ["warning: 3 of 7 lost", "all read"]


def test_the_descriptors_are_restored_afterwards(tmp_path: Path):
    done, log = run("print('inside')", tmp_path)
    assert done.stdout == "before\nafter\n"
    assert done.stderr == "after, to stderr\n"
    assert "before" not in log
    assert "after" not in log


def test_no_descriptor_and_no_handler_is_left_open(tmp_path: Path):
    script = (
        "import logging, os\nfrom semid.jobs.log import job_log\n"
        "def state(): return len(os.listdir('/dev/fd')), len(logging.getLogger('semid').handlers)\n"
        "before = state()\n"
        "for n in range(3):\n    with job_log(f'{n}.log'): pass\n"
        "try:\n    with job_log('failed.log'): raise KeyError('x')\nexcept SystemExit: pass\n"
        "print(before == state())"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_a_second_run_replaces_the_log_of_the_first(tmp_path: Path):
    run("print('first')", tmp_path)
    _, log = run("print('second')", tmp_path)
    assert "second" in log
    assert "first" not in log


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("from semid.naming import TokenizerName\nTokenizerName.parse('rq_4')", "'rq_4' is no tokenizer name"),
        ("from semid.errors import InputError\nraise InputError('items.csv: no column title')", "no column title"),
        ("open('missing.npy')", "missing.npy"),
        ("import numpy as np\nnp.zeros(1 << 50)", "out of memory (Unable to allocate 8.00 PiB"),
        ("import torch\ntorch.empty(1 << 50)", "out of memory ("),
        ("import not_there", "No module named 'not_there': pip install 'semid["),
    ],
    ids=["InputError of semid", "InputError of a script", "OSError", "numpy's memory", "torch's memory", "no package"],
)
def test_an_error_of_the_user_ends_with_its_message_and_no_traceback(tmp_path: Path, body: str, message: str):
    done, log = run(body, tmp_path)
    assert done.returncode == 1
    assert done.stdout == "before\n"
    assert done.stderr == ""
    assert " error: " in log[-1]
    assert message in log[-1]
    assert not any("Traceback" in line for line in log)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("import numpy as np\nnp.zeros(3) + np.zeros(4)", "could not be broadcast"),
        ("{}['missing']", "KeyError"),
        ("raise RuntimeError('a fault')", "a fault"),
    ],
    ids=["ValueError of numpy", "KeyError", "RuntimeError"],
)
def test_a_fault_of_the_program_keeps_its_traceback(tmp_path: Path, body: str, message: str):
    done, log = run(body, tmp_path)
    assert done.returncode == 1
    assert any("Traceback" in line for line in log)
    assert message in log[-1]
    assert done.stderr == ""


def test_an_exit_status_passes_through(tmp_path: Path):
    done, _ = run("sys.exit(3)", tmp_path)
    assert done.returncode == 3


def test_a_batch_system_may_end_a_job_and_leave_nothing_half_written(tmp_path: Path):
    done, _ = run(
        "import signal\nfrom semid.files import whole_file\n"
        "with whole_file('result.txt') as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGTERM)",
        tmp_path,
    )
    assert done.returncode == 128 + 15
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


@pytest.mark.parametrize("answers", [True, False], ids=["and tidies up", "though a long call keeps it"])
def test_a_job_ends_when_what_started_it_is_killed(tmp_path: Path, answers: bool):
    job = (
        "import os, signal, sys, time\nfrom semid.jobs import log as joblog\nfrom semid.files import whole_file\n"
        "joblog.SECONDS_BETWEEN_LOOKS, joblog.SECONDS_TO_END = 0.1, 0.5\n"
        "with joblog.job_log('job.log'), whole_file('result.txt') as temporary:\n"
        f"    {'pass' if answers else 'signal.signal(signal.SIGTERM, signal.SIG_IGN)'}\n"
        "    os.kill(os.getppid(), signal.SIGKILL)\n"
        "    time.sleep(60)"
    )
    starter = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {job!r}])"
    started = time.monotonic()
    # its output ends with the last of the two
    done = subprocess.run([sys.executable, "-c", starter], cwd=tmp_path, capture_output=True)
    assert done.returncode == -9
    assert time.monotonic() - started < 50
    assert "what started this job is gone" in (tmp_path / "job.log").read_text()
    left = {path.suffix for path in tmp_path.iterdir()}
    assert left == ({".log"} if answers else {".log", ".partial"})
