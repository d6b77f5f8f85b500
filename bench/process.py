"""What a process takes of the machine, as proc(5) tells it."""

import os
from pathlib import Path


def resident_mb(pid: int) -> float:
    """Its VmRSS now, in MB; 0 of a process that has ended and was not waited for."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1_024
    return 0.0


def cpu_s(pid: int) -> float:
    """Its CPU time so far, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
