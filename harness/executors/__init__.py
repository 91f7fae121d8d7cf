"""Executors: run a `Program` on real threads or real processes, and hand back its `History`.

from harness.executors import processes
execution = processes.run(program, mode="native", deadline_s=30)
"""
