"""How much memory a process holds."""

from pathlib import Path


def resident_mb(pid: int) -> float:
    """Its VmRSS now, in MB; 0 of a process that has ended and was not waited for."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1_024
    return 0.0
