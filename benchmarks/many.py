"""Many documents: bulk in one process and in two, what it holds, and rivals, over the same lines from start to end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import rivals
from documents import ROOT, compact, SAMPLE, write_lines
from measuring import FLOOR, Figure, done, figure, in_turns, most_held, script
from single import NOW, Tried, agreed

ONE: Final = "bulk, one process"
TWO: Final = "bulk, two processes"
ONE_GOAL: Final = 1.5
TWO_GOAL: Final = 0.75
"""Of our own one, where a second core is really there."""

SECOND_CORE: Final = 1.5
"""A second core is really there if two that do nothing but reckon get at least so much done, instead of 2 × as much."""

HELD_GOAL: Final = 60 * 1024**2
"""Bytes that a process may hold, however many documents there are."""

_FLOOR_PROGRAM: Final = """
import sys, orjson
with open(sys.argv[1], "rb") as source, open(sys.argv[2], "wb") as target:
    for line in source:
        target.write(orjson.dumps(orjson.loads(line)) + b"\\n")
"""
_BURN_PROGRAM: Final = """
import sys, orjson
data = open(sys.argv[1], "rb").read()
for _ in range(int(sys.argv[2])):
    orjson.dumps(orjson.loads(data))
"""
_START: Final = "import subprocess, sys; p = [subprocess.Popen(sys.argv[1:]) for _ in range(2)]; sys.exit(any([q.wait() for q in p]))"
