"""Locks and stamps: two makes never build the same thing, and a thing half built
is never taken for a whole one."""

import fcntl
import json
import os
import shutil
from contextlib import contextmanager

from .say import note


def open_lock(path):
    """Open a lock file; the descriptor is closed in child processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def try_lock(handle, how=fcntl.LOCK_EX):
    """Take the lock if it is free, and tell whether it was."""
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def lock(path, what):
    """Hold a lock; wait for whoever has it, and say so. It ends with the process,
    however that ends, so a killed make never leaves one behind."""
    handle = open_lock(path)
    try:
        if not try_lock(handle):
            note(f"waiting for another make that is busy with {what}")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def read_stamp(path):
    """Return what was noted when the thing was finished, or nothing at all."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def write_stamp(path, **facts):
    """Note that a thing is finished, in one step that cannot be half done."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(facts, indent=1))
    draft.replace(path)


def remove_tree(path):
    """Remove a folder or a file, if it is there."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)


@contextmanager
def build_folder(final):
    """Give an empty folder to build in, and put it in place only when whole."""
    for stale in final.parent.glob(f"{final.name}.partial-*"):
        shutil.rmtree(stale, ignore_errors=True)
    draft = final.with_name(f"{final.name}.partial-{os.getpid()}")
    draft.mkdir(parents=True)
    yield draft
    remove_tree(final)
    draft.rename(final)
