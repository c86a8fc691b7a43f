"""What the person at the terminal sees."""

import sys


class Trouble(Exception):
    """Something the person can mend; the text says what to do about it."""


def step(text):
    """Name a stage that may take a while, before it starts."""
    print(f"==> {text}", flush=True)


def note(text):
    """Print a line that belongs to the stage named last."""
    print(f"    {text}", flush=True)


def complain(text):
    """Tell what went wrong, where scripts expect it."""
    print(f"\n!!! {text}", file=sys.stderr, flush=True)
