"""Starting other programs, and being sure that they end."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys

from .say import Trouble

# What ends us. The first one does; further ones would only cut short the tidying up.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """Ask the kernel to end this child when the make that started it is killed."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def quiet(command, failing, text_in="", unbroken=False, **options):
    """Run a program without showing its output, unless it fails."""
    options |= {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    options |= {"stdin": subprocess.PIPE, "text": True, "errors": "replace"}
    code, printed = _run(command, text_in, unbroken, options)
    if code:
        tail = "\n".join(printed.strip().splitlines()[-15:])
        raise Trouble(f"{failing}\n\n{tail}")
    return printed


def shown(command, failing, unbroken=False, **options):
    """Run a program that tells its own progress: shown at a terminal only."""
    if not sys.stdout.isatty():
        quiet(command, failing, unbroken=unbroken, **options)
    elif _run(command, None, unbroken, options)[0]:
        raise Trouble(failing)


def _run(command, text_in, unbroken, options):
    """Run a program to its end; return its exit code and output. Whoever stops us
    ends it and its children as well, unless it must not be cut short (a package
    manager, a database server): then we stop after it."""
    if unbroken:
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    process = None
    try:
        process = subprocess.Popen(
            [str(part) for part in command],
            start_new_session=True,
            preexec_fn=_unblocked if unbroken else die_with_parent,
            **options,
        )
        printed, _none = process.communicate(text_in)
        return process.returncode, printed
    except BaseException:
        if process:
            stop(process)
        raise
    finally:
        if unbroken:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def _unblocked():
    """Let the program itself be stopped by others, whatever we defer."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def foreground(command, **options):
    """Run a program that has the terminal; return its exit code. Ctrl-C reaches it
    as well as us: it gets the time to tidy up, and is killed if it takes too long."""
    process = subprocess.Popen(
        [str(part) for part in command], preexec_fn=die_with_parent, **options
    )
    try:
        return process.wait()
    finally:
        for how in (None, signal.SIGINT, signal.SIGKILL):
            if process.poll() is None:
                _end(process, how)


def _end(process, how, patience=8):
    """Send a signal, if any, and give the program some seconds to end."""
    if how:
        process.send_signal(how)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        pass


def interactive(command, **options):
    """Run a program in which Ctrl-C is a matter of its own, such as a shell."""
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)

    def prepare():
        """Undo our deafness for the program itself."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        die_with_parent()

    try:
        command = [str(part) for part in command]
        options["preexec_fn"] = prepare
        return subprocess.run(command, check=False, **options).returncode
    finally:
        signal.signal(signal.SIGINT, ours)


def start(command, log, **options):
    """Start a server in a session of its own, so that Ctrl-C reaches only us and
    we can stop things in order."""
    with open(log, "ab") as output:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent,
            **options,
        )


def stop(process, grace=15):
    """End a server and whatever it started, politely and then not."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            break
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def program(*names):
    """Return the first of these programs that is on the path, else None."""
    return next(filter(None, map(shutil.which, names)), None)
