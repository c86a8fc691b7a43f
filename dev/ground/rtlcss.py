"""The program rtlcss. Odoo mirrors its style sheets with it for languages written
from right to left; where it is missing, Odoo logs a warning and shows such a user
half of the screen the wrong way round."""

import os
import shlex

from .npm import node, packages
from .shell import quiet

SCRIPT = "node_modules/rtlcss/bin/rtlcss.js"


def env(ground):
    """Return the ground's environment, in which Odoo finds rtlcss as well."""
    found = ground.env
    folder = packages(ground, "rtlcss", lambda made: _write_program(ground, made))
    return found | {"PATH": os.pathsep.join((str(folder / "bin"), found["PATH"]))}


def _write_program(ground, folder):
    """Write the program Odoo starts by its name, and see that it starts."""
    starter = folder / "bin" / "rtlcss"
    starter.parent.mkdir()
    line = f'exec {shlex.quote(str(node(ground)))} "${{0%/*}}/../{SCRIPT}" "$@"'
    starter.write_text(f"#!/bin/sh\n{line}\n")
    starter.chmod(0o755)
    quiet((starter, "--version"), "rtlcss does not start.")
