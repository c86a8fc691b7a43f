"""What a message may contain, before it is sealed and before it is shown."""

import mimetypes
import re
import unicodedata
from pathlib import PurePosixPath

from lxml import html
from markupsafe import Markup

from odoo.tools.mail import html_sanitize, is_html_empty, plaintext2html
from odoo.tools.mimetypes import guess_mimetype

from . import limits
from .inert import inner, without_media

PLACEHOLDER = Markup("<p>Secure message</p>")
"""What every ordinary reader of ``mail.message.body`` sees."""
FILE_PLACEHOLDER = "secure-file"
"""What every ordinary reader of ``ir.attachment.name`` sees."""

FILE_NAME_MAX_LENGTH = 120
FILE_NAME_MAX_BYTES = 240
"""File systems take 255; a browser may add a number."""
FALLBACK_FILE_NAME = "file"
WINDOWS_NAMES = frozenset(
    {"CON", "PRN", "AUX", "NUL"}
    | {f"{port}{number}" for port in ("COM", "LPT") for number in "123456789¹²³"}
)
"""Devices to Windows, with any ending."""

OPAQUE_TYPE = "application/octet-stream"
SAFE_TYPES = frozenset(
    {
        "application/pdf",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/plain",
    }
)
"""Types a browser gets told; any other file is just bytes to it."""


def file_type(name, data):
    """The type of a file by its content, else by its name."""
    guessed = guess_mimetype(data, default=OPAQUE_TYPE)
    if guessed in (OPAQUE_TYPE, "text/plain", "application/zip"):
        guessed = mimetypes.guess_type(name)[0] or guessed
    return guessed


PICTURE_TYPES = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})
"""Pictures that may stand in a text. Not SVG, which is a document with scripts."""
_PICTURE = re.compile(
    "data:("
    + "|".join(map(re.escape, sorted(PICTURE_TYPES)))
    + ");base64,[A-Za-z0-9+/=]+"
)
_PIXEL = re.compile(r"[012](\.\d+)?(px)?")
"""Width or height of a picture that nobody sees."""


def served_type(mimetype):
    """The type a file is served with: its own where a browser runs nothing in it."""
    return mimetype if mimetype in SAFE_TYPES else OPAQUE_TYPE


def clean_staff_body(body):
    """HTML from a member of staff, without anything that runs.

    :param body: str or Markup; plain ``str`` from an editor is HTML too
    :return: Markup
    """
    return without_media(
        html_sanitize(body or "", sanitize_attributes=True, sanitize_style=True)
    )


def clean_dynamic_body(body):
    """Like :func:`clean_staff_body`, with the fields that are still to be filled in, as
    Odoo keeps its email templates."""
    return html_sanitize(
        body or "",
        sanitize_tags=False,
        sanitize_attributes=False,
        sanitize_conditional_comments=False,
        output_method="xml",
    )


def clean_template(body):
    """A text with dynamic fields, as staff may be shown it: without anything that runs,
    the fields as ``{{ object.name }}``."""
    shown = re.sub(
        r"<t\b[^>]*?\bt-out\s*=\s*(?P<q>[\"'])(?P<what>.*?)(?P=q)[^>]*?"
        r"(?:/>|>(?P<inner>[^<]*)</t\s*>)",
        lambda match: "{{ " + match["what"] + " }}",
        str(body or ""),
    )
    return clean_staff_body(shown)


def clean_client_text(text):
    """What a client typed, as HTML: plain text, line breaks kept."""
    text = (text or "").replace("\r\n", "\n").strip()
    return plaintext2html(text) if text else Markup("")


def is_picture(source):
    """Whether an image's source is the picture itself, of a type that may be shown."""
    return bool(_PICTURE.fullmatch("".join((source or "").split())))


def with_pictures(body, picture, left_out):
    """A text whose pictures are part of it.

    :param Markup body: cleaned
    :param picture: gives the data URI for an image's address, or nothing
    :param str left_out: what stands in the place of a picture that cannot be shown
    :return: Markup
    """
    root = html.fragment_fromstring(str(body), create_parent="div")
    for image in root.xpath(".//img"):
        source = (image.get("src") or "").strip()
        if not is_picture(source):
            source = picture(source)
        if source:
            image.set("src", source)
        else:
            _leave_out(image, left_out)
    return inner(root)


def _leave_out(image, text):
    sides = (image.get("width") or "", image.get("height") or "")
    if not any(_PIXEL.fullmatch(side.strip()) for side in sides):
        alt = (image.get("alt") or "").strip()
        image.tail = " ".join(filter(None, [text, alt, image.tail]))
    image.drop_tree()


def is_short_without_pictures(body):
    """Whether it is the pictures that make a text too long."""
    return len(_PICTURE.sub("", body)) <= limits.BODY_MAX_CHARACTERS


def for_page(body):
    """A body as the public page may show it: no style, no remote image.

    A remote image would tell its server who reads, and when.
    """
    cleaned = html_sanitize(
        body or "", sanitize_attributes=True, strip_style=True, strip_classes=True
    )
    cleaned = without_media(cleaned)
    if not cleaned:
        return Markup("")
    root = html.fragment_fromstring(str(cleaned), create_parent="div")
    for image in root.xpath(".//img"):
        if not is_picture(image.get("src")):
            image.drop_tree()
        elif image.get("alt") is None:
            image.set("alt", "")
    for link in root.xpath(".//a[@href]"):
        link.set("rel", "noopener noreferrer")
        link.set("target", "_blank")
    return inner(root)


def is_empty(body):
    return is_html_empty(body or "")


def size_text(size):
    """A file's size as people read it, in decimal units."""
    if size < 1000:
        return f"{size} B"
    if size < 1000**2:
        return f"{size / 1000:.0f} kB"
    return f"{size / 1000**2:.1f} MB"


def clean_file_name(name):
    """A file name that every system can store, and that is what it looks like: no
    folders, nothing invisible, no turned direction, none of Windows' own names."""
    name = unicodedata.normalize("NFC", name or "").replace("\\", "/")
    name = PurePosixPath(name).name
    # Control, format (direction, joiners), surrogate, private use, unassigned
    name = "".join(char for char in name if unicodedata.category(char)[0] != "C")
    name = re.sub(r'[<>:"|?*\u2028\u2029]', "", name)
    name = name.strip(" .") or FALLBACK_FILE_NAME
    if name.partition(".")[0].strip().upper() in WINDOWS_NAMES:
        name = f"_{name}"
    return _shortened(name)


def _shortened(name):
    """Not longer than file systems take, in characters and in bytes; its end kept."""
    suffix = PurePosixPath(name).suffix[:16]
    stem = name.removesuffix(suffix)[: FILE_NAME_MAX_LENGTH - len(suffix)]
    while len((stem + suffix).encode()) > FILE_NAME_MAX_BYTES:
        stem = stem[:-1]
    return stem + suffix


def ids_of_commands(commands):
    """The ids a list of one2many or many2many commands, or of plain ids, ends with."""
    ids = []
    for command in commands or []:
        if isinstance(command, int):
            ids.append(command)
        elif command[0] == 4:
            ids.append(command[1])
        elif command[0] == 6:
            ids = list(command[2])
        elif command[0] == 5:
            ids = []
        elif command[0] in (2, 3) and command[1] in ids:
            ids.remove(command[1])
    return ids
