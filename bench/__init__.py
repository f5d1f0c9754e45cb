"""Speed, memory and quality of semid beside the libraries people would otherwise use: `python -m bench`.

Each task is a registry of methods and a function that runs them; every library runs in a process of its own.
"""
