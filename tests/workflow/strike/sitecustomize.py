"""Strikes jobs of a workflow under test as they are about to give a file its name; Python imports this by itself where
this folder is in PYTHONPATH.

The folder STRIKES has `plan.json`: the path of each file, and its how many-th rename is the moment; and whether the job
kills itself then, or waits to be ended. Each moment comes once: a file there named like the path holds the job's id.
"""

import json
import os
import signal
import sys
import time
from collections import Counter

FOLDER = os.environ["STRIKES"]
with open(os.path.join(FOLDER, "plan.json"), encoding="utf-8") as file:
    PLAN = json.load(file)
SEEN: Counter[str] = Counter()


def strike(event: str, arguments: tuple) -> None:
    if event != "os.rename":
        return
    path = os.path.relpath(os.fspath(arguments[1]))
    SEEN[path] += 1
    if SEEN[path] != PLAN["renames"].get(path):
        return
    try:
        with open(os.path.join(FOLDER, path.replace("/", ":")), "x", encoding="utf-8") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        return
    if PLAN["kill"]:
        os.kill(os.getpid(), signal.SIGKILL)
    while True:
        time.sleep(0.1)


sys.addaudithook(strike)
