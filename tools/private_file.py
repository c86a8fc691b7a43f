"""Files for one user alone, and folders to oneself for a moment."""

import contextlib
import fcntl
import os
import secrets
import stat


def mode_of(path):
    """Who may do what with a file; None when it is not there."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return None


def write_draft(path, text):
    """``text`` beside ``path``, for its owner alone, written to the disk: so that no
    reader sees half of it. Returns where."""
    draft = f"{path}.{secrets.token_hex(4)}"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    return draft


@contextlib.contextmanager
def locked(folder):
    """Wait until no other process has this folder locked, then have it locked."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
