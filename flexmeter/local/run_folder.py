"""The folder that a run keeps everything in, used by one run at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import Unavailable


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """The folder, made if need be, ours until leaving. The kernel lets go of it when we die, however we die.

    Raises:
        Unavailable: another run has it, with its pid; or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = (folder / "lock").open("a+")
    except OSError as error:
        what = "it is a file" if isinstance(error, FileExistsError) else error.strerror
        raise Unavailable(f"folder {folder}", f"{what}: set FLEXMETER_RUN to another") from None
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid = lock.read().strip() or "unknown"
            raise Unavailable(
                f"folder {folder}", f"in use by the run with pid {pid}: end that one, or set FLEXMETER_RUN to another"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield folder
