"""A part: one child process of ours, how to start it and how to see that it is ready."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from schemas.errors import Unavailable

# The kernel kills the child when the process that started it dies, however it dies: setpriv asks for that. The shell
# closes the gap between fork and that request: by then the parent may be gone already ($0 is its pid).
_TIED = ("setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", 'test "$PPID" = "$0" || exit 1; exec "$@"')


def always() -> bool:
    """Ready as soon as it runs."""
    return True


@dataclass(frozen=True, slots=True)
class Part:
    """What runs as one child process. `ready` does no more than look: it is called until it says yes."""

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = always
    start_s: float = 60.0
    stop_s: float = 10.0


def spawn(part: Part) -> "subprocess.Popen[bytes]":
    """Start a part, output appended to its log, in a session of its own: Ctrl-C reaches only us, who stop it in turn.

    To be called from the main thread: the kernel ties the child to the thread that forked it.

    Raises:
        Unavailable: the program is not there, or may not be run.
    """
    part.log.parent.mkdir(parents=True, exist_ok=True)
    with part.log.open("ab") as log:
        try:
            return subprocess.Popen(
                [*_TIED, str(os.getpid()), *part.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **part.env},
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(part.name, str(error)) from error


def wait_ready(part: Part, process: "subprocess.Popen[bytes]", pause_s: float = 0.1) -> None:
    """Wait until the part is ready.

    Raises:
        Unavailable: it ended, or was not ready in time; with the end of its log.
    """
    deadline = time.monotonic() + part.start_s
    while not part.ready():
        if process.poll() is not None:
            raise Unavailable(part.name, f"ended with {process.returncode} while starting\n{tail(part.log)}")
        if time.monotonic() > deadline:
            raise Unavailable(part.name, f"not ready after {part.start_s:.0f} s\n{tail(part.log)}")
        time.sleep(pause_s)


def complete(part: Part) -> None:
    """Run a part that ends by itself. Raises as `spawn` and `finish` do."""
    finish(part, spawn(part))


def finish(part: Part, process: "subprocess.Popen[bytes]") -> None:
    """Wait for the end of a part that ends by itself.

    Raises:
        Unavailable: it ended with another code than 0, or not in time.
    """
    try:
        code = process.wait(part.start_s)
    except subprocess.TimeoutExpired:
        raise Unavailable(part.name, f"not done after {part.start_s:.0f} s\n{tail(part.log)}") from None
    finally:
        stop(process, 0)
    if code:
        raise Unavailable(part.name, f"ended with {code}\n{tail(part.log)}")


def stop(process: "subprocess.Popen[bytes]", grace_s: float) -> None:
    """Ask it to end; end it if it has not after `grace_s` seconds."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running(part: Part) -> Iterator["subprocess.Popen[bytes]"]:
    """The part, started and ready; ended on leaving."""
    process = spawn(part)
    try:
        wait_ready(part, process)
        yield process
    finally:
        stop(process, part.stop_s)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, with its name."""
    if not log.exists():
        return f"(no log at {log})"
    text = log.read_bytes()[-20_000:].decode(errors="replace").splitlines()
    return "\n".join([f"--- {log}", *text[-lines:]])
