"""``odoo secure_messaging_rotate``: what docs/keys.md describes."""

import sys
import threading
import time

from odoo import SUPERUSER_ID, api
from odoo.cli import Command
from odoo.exceptions import AccessError
from odoo.modules.registry import Registry
from odoo.tools import config

PATIENCE = 120
"""Seconds to wait for work that began before the old key was given up."""
DONE, UNFINISHED = 0, 1

ONE_KEY = """
There is only one key. If it is the one in wrong hands, put a new one before it first,
with --new-key. If it is a new one already, say so with --key-is-new.
"""
PUT_FIRST = """
A new key:

    {key}

Put it before the others, with a comma, {where}; restart Odoo; then run this again
without --new-key. The old keys stay behind it until all is sealed anew.
"""

GO_ON = """
The last run with --compromised has not ended. To go on with it, leave --new-key out. If
the key that is the first one now is in wrong hands, too: put a new one before it, with
--new-key alone, then run --compromised: it begins anew.
"""
NOT_WITHDRAWN = """
Not all links and PINs are withdrawn, as others wrote at the same time. Run this again,
without --new-key: it goes on where it was.
"""


class SecureMessagingRotate(Command):
    """Seal all secure messages with the first key; see the module's docs/keys.md."""

    name = "secure_messaging_rotate"

    def run(self, args):
        """Options that are not ours are Odoo's own: -c, -d, --data-dir and the like."""
        self.parser.add_argument(
            "--new-key",
            action="store_true",
            help="first put a new key before the others",
        )
        self.parser.add_argument(
            "--compromised",
            action="store_true",
            help="also withdraw all links and void all PINs",
        )
        self.parser.add_argument(
            "--key-is-new",
            action="store_true",
            help="the only key there is, is not the one that was compromised",
        )
        options, rest = self.parser.parse_known_args(args)
        config.parse_config(rest, setup_logging=True)
        names = config["db_name"]
        if len(names) != 1:
            self.parser.error("name one database, with -d")
        # For the log
        threading.current_thread().dbname = names[0]
        with Registry(names[0]).cursor() as cr:
            # sudo: for who runs the server, and has the keys and the database anyway
            env = api.Environment(cr, SUPERUSER_ID, {})
            if "secure.keyring" not in env:
                self.parser.error(f"secure_messaging is not installed in {names[0]}")
            try:
                code = self._rotate(env["secure.keyring"], options)
            except AccessError as locked:
                sys.exit(str(locked))
            finally:
                # Running servers look their cached parameters up again
                env.registry.signal_changes()
        sys.exit(code)

    def _rotate(self, keyring, options):
        if options.compromised and options.new_key and keyring._closing():
            self.parser.error(GO_ON)
        if options.new_key:
            made, text = keyring._new_key()
            if not made:
                where = {
                    "environment": "in SECURE_MESSAGING_KEYS",
                    "config": "in odoo.conf's secure_messaging_keys",
                }[keyring._status()["source"]]
                sys.stdout.write(PUT_FIRST.format(key=text, where=where))
                return UNFINISHED
            sys.stdout.write(f"The new key's fingerprint is {text}. Back it up.\n")
        alone = len(keyring._ring().fingerprints) == 1
        if options.compromised and alone and not options.key_is_new:
            self.parser.error(ONE_KEY)
        if options.compromised:
            sys.stdout.write("Withdrawing links and PINs\n")
            if not keyring._close_all():
                sys.stdout.write(NOT_WITHDRAWN)
                return UNFINISHED
        if not (self._until_done(keyring) and keyring._end_closing()):
            sys.stdout.write(
                "Not finished; see the log. The scheduled job goes on with it.\n"
            )
            return UNFINISHED
        removable = keyring._rotation_status()["removable"]
        sys.stdout.write("All is sealed with the first key.\n")
        if removable:
            sys.stdout.write(
                f"This database does not need these any more: {', '.join(removable)}\n"
            )
        return DONE

    def _until_done(self, keyring):
        end = time.monotonic() + PATIENCE
        while not keyring._rotate(self._tell):
            if time.monotonic() > end or not keyring._retiring():
                return False
            time.sleep(2)
        return True

    def _tell(self, done, whole):
        sys.stdout.write(f"{done:,} of {whole:,}\n")
        sys.stdout.flush()
