"""Getting Odoo 19: the one `ODOO_HOME` names, else Debian's package, unpacked
into the cache and not installed (that would bring another Python along)."""

import os
import platform
import tarfile
from collections import namedtuple
from pathlib import Path

from .keep import build_folder, lock, remove_tree
from .paths import CACHE, short_hash
from .say import Trouble, note, step
from .shell import program, quiet, shown
from .system import apt_update

# `python` goes on PYTHONPATH, `addons` beside our own on the addons path.
Odoo = namedtuple("Odoo", "python addons requirements key")

UNSTABLE = "sid"
# The package, and the libraries its relative links point to.
FROM_UNSTABLE = (
    "odoo-19",
    "libjs-jquery",
    "libjs-jquery-form",
    "libjs-underscore",
    "fonts-montserrat",
    "fonts-roboto-unhinted",
    "fonts-glyphicons-halflings",
)
# Unstable's is version 7 with other file names: every icon would be missing.
FROM_OWN_SUITE = ("fonts-font-awesome",)
# Debian leaves this file out for its licence; without any file of the name, the
# back office's scripts are reported broken and no browser test can pass.
BLUR_PACKAGE = "@mediapipe/selfie_segmentation@0.1.1675465747"
BLUR_FILE = "mail/static/lib/selfie_segmentation/selfie_segmentation.js"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def get():
    """Return the Odoo to work with."""
    home = os.environ.get("ODOO_HOME")
    return _existing(Path(home).expanduser()) if home else _from_debian()


def _existing(home):
    """Return the Odoo of someone who has one: a checkout or an installed package."""
    home = home.absolute()
    if home.name == "odoo" and not (home / "odoo").is_dir():
        home = home.parent
    if not (home / "odoo" / "release.py").is_file():
        raise Trouble(
            f"ODOO_HOME is {home}, but there is no Odoo: it should hold the folder "
            "`odoo` (a source checkout, or the dist-packages folder of a package)."
        )
    if "19" not in _release(home):
        raise Trouble(f"The Odoo in ODOO_HOME ({home}) is not version 19.")
    beside = [home / "addons"] if (home / "addons" / "web").is_dir() else []
    requirements = home / "requirements.txt"
    return Odoo(
        home,
        beside,
        requirements if requirements.is_file() else None,
        short_hash(home, _release(home), _git_head(home)),
    )


def _release(home):
    """Return the line in which this Odoo says which version it is."""
    lines = (home / "odoo" / "release.py").read_text().splitlines()
    return next((line for line in lines if line.startswith("version_info")), "")


def _git_head(home):
    """Return the commit of a source checkout, so that a pull is noticed."""
    try:
        return quiet(("git", "-C", home, "rev-parse", "HEAD"), "")
    except (Trouble, OSError):
        return ""


def _from_debian():
    """Return the Odoo of Debian's unstable suite, downloaded when needed."""
    key = short_hash(FROM_UNSTABLE, FROM_OWN_SUITE, BLUR_PACKAGE)
    final = CACHE / f"odoo-{key}"
    home = final / "usr/lib/python3/dist-packages"
    with lock(CACHE / "odoo.lock", "downloading Odoo"):
        if not final.is_dir():
            _require_debian()
            with build_folder(final) as folder:
                _fill(folder)
    return Odoo(home, [], None, short_hash(key, final.stat().st_mtime_ns))


def _require_debian():
    """Say what to do where Debian's package cannot be had."""
    if program("apt-get") and program("dpkg-deb") and KEYRING.exists():
        return
    raise Trouble(
        f"This is not a Debian ({platform.platform()}), so Odoo 19 cannot be "
        "fetched by apt.\nPoint ODOO_HOME to an Odoo 19 source checkout:\n\n"
        "    make run ODOO_HOME=~/odoo"
    )


def _fill(folder):
    """Download and unpack Odoo and what belongs to it."""
    step("Getting Odoo 19 (130 MB)")
    debs = folder / "debs"
    debs.mkdir()
    apt = ("apt-get", "-q", *_private_apt(debs))
    failing = "Odoo could not be downloaded. Is the network reachable?"
    note("reading the list of Debian's unstable suite")
    quiet((*apt, "update"), failing, cwd=debs)
    note("downloading")
    shown((*apt, "download", *_wanted()), failing, cwd=debs)
    note("unpacking (1.3 GB)")
    for deb in sorted(debs.glob("*.deb")):
        quiet(("dpkg-deb", "-x", deb, folder), f"{deb.name} could not be unpacked.")
    _add_blur_file(folder, debs)
    remove_tree(debs)


def _wanted():
    """Return the packages in apt's notation `name/suite`."""
    unstable = [f"{name}/{UNSTABLE}" for name in FROM_UNSTABLE]
    return unstable + [f"{name}/{_own_suite()}" for name in FROM_OWN_SUITE]


def _own_suite():
    """Return the code name of this machine's Debian."""
    facts = platform.freedesktop_os_release()
    return facts.get("VERSION_CODENAME") or UNSTABLE


def _mirror():
    """Return the mirror this machine's own apt uses."""
    for attempt in (1, 2):
        targets = quiet(
            ("apt-get", "indextargets", "--format", "$(REPO_URI)"),
            "apt does not tell its mirror.",
        )
        for line in targets.splitlines():
            if line.endswith("/debian/"):
                return line
        if attempt == 1 and os.geteuid() == 0:
            apt_update()
    raise Trouble(
        "apt names no Debian mirror, so Odoo 19 cannot be fetched. Run "
        "`sudo apt-get update` once, or point ODOO_HOME to an Odoo 19."
    )


def _private_apt(folder):
    """Return apt options that see the two suites and leave the machine's own
    sources and lists alone. Signatures are checked as ever."""
    parts = folder / "parts"
    (folder / "lists" / "partial").mkdir(parents=True)
    parts.mkdir()
    suites = " ".join(dict.fromkeys((UNSTABLE, _own_suite())))
    (parts / "odoo.sources").write_text(
        f"Types: deb\nURIs: {_mirror()}\nSuites: {suites}\nComponents: main\n"
        f"Signed-By: {KEYRING}\n"
    )
    settings = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": parts,
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Acquire::Retries": 3,
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
    }
    if os.geteuid() == 0:
        # Apt's own user cannot look into root's cache folder.
        settings["APT::Sandbox::User"] = "root"
    return [f"-o{name}={value}" for name, value in settings.items()]


def _add_blur_file(folder, debs):
    """Put the missing script in place; an empty one serves as well, because all
    it does is blur the background of video calls."""
    target = folder / "usr/lib/python3/dist-packages/odoo/addons" / BLUR_FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        quiet(("npm", "pack", BLUR_PACKAGE), "npm pack failed", cwd=debs)
        archive = next(debs.glob("*.tgz"))
        with tarfile.open(archive) as opened:
            script = opened.extractfile(f"package/{target.name}").read()
    except (Trouble, OSError, StopIteration, KeyError, tarfile.TarError):
        note("npm not usable: video calls in this Odoo will not blur backgrounds")
        script = b"/* left empty: not in Debian's package */\n"
    target.write_bytes(script)
