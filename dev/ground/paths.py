"""Where things lie. Nothing that is downloaded or made at run time is put into
the checkout, so that a fresh clone is as quick as the one before it."""

import hashlib
import os
from pathlib import Path

MODULE = "secure_messaging"
CHECKOUT = Path(__file__).resolve().parents[2]
DEV = CHECKOUT / "dev"
BUILD = CHECKOUT / "build"


def _cache_home():
    """Return the one folder that everything cached lives in."""
    asked = os.environ.get("SECURE_MESSAGING_CACHE")
    if asked:
        return Path(asked).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / MODULE


def short_hash(*parts):
    """Return eight hex digits that stand for the given texts."""
    whole = "\0".join(str(part) for part in parts)
    return hashlib.sha256(whole.encode()).hexdigest()[:8]


CACHE = _cache_home()
# Two checkouts on one machine share the downloads, but no database and no file.
CHECKOUT_KEY = short_hash(CHECKOUT)
WORK = CACHE / "checkouts" / CHECKOUT_KEY
ADDONS = WORK / "addons"
LINK = ADDONS / MODULE
DATA = WORK / "data"
RUNS = WORK / "runs"


def bridge_modules():
    """Return the folders of the bridge modules this checkout brings along."""
    return sorted(path.parent for path in CHECKOUT.glob("addons/*/__manifest__.py"))


def link_checkout():
    """Make the checkout findable under the module's name, whatever it is called."""
    ADDONS.mkdir(parents=True, exist_ok=True)
    if LINK.is_symlink() and Path(os.readlink(LINK)) == CHECKOUT:
        return
    LINK.unlink(missing_ok=True)
    LINK.symlink_to(CHECKOUT)
