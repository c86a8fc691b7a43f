"""What a message may contain, before it is sealed and before it is shown."""

import mimetypes
import re
from pathlib import PurePosixPath

from lxml import etree, html
from markupsafe import Markup

from odoo.tools.mail import html_sanitize, is_html_empty, plaintext2html
from odoo.tools.mimetypes import guess_mimetype

PLACEHOLDER = Markup("<p>Secure message</p>")
"""What every ordinary reader of ``mail.message.body`` sees."""
FILE_PLACEHOLDER = "secure-file"
"""What every ordinary reader of ``ir.attachment.name`` sees."""

FILE_NAME_MAX_LENGTH = 120
FALLBACK_FILE_NAME = "file"

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


def served_type(mimetype):
    """The type a file is served with: its own where a browser runs nothing in it."""
    return mimetype if mimetype in SAFE_TYPES else OPAQUE_TYPE


def clean_staff_body(body):
    """HTML from a member of staff, without anything that runs.

    :param body: str or Markup; plain ``str`` from an editor is HTML too
    :return: Markup
    """
    return html_sanitize(body or "", sanitize_attributes=True, sanitize_style=True)


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


def for_page(body):
    """A body as the public page may show it: no style, no remote image.

    A remote image would tell its server who reads, and when.
    """
    cleaned = html_sanitize(
        body or "", sanitize_attributes=True, strip_style=True, strip_classes=True
    )
    if not cleaned:
        return Markup("")
    root = html.fragment_fromstring(str(cleaned), create_parent="div")
    for image in root.xpath(".//img"):
        if not (image.get("src") or "").startswith("data:image/"):
            image.drop_tree()
        elif image.get("alt") is None:
            image.set("alt", "")
    for link in root.xpath(".//a[@href]"):
        link.set("rel", "noopener noreferrer")
        link.set("target", "_blank")
    inner = etree.tostring(root, encoding="unicode", method="html")
    return Markup(inner.removeprefix("<div>").removesuffix("</div>"))


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
    """A file name without folders, control characters or direction overrides."""
    name = PurePosixPath((name or "").replace("\\", "/")).name
    name = re.sub(
        r"[\x00-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069<>:\"|?*]", "", name
    )
    name = name.strip(" .") or FALLBACK_FILE_NAME
    if len(name) <= FILE_NAME_MAX_LENGTH:
        return name
    suffix = PurePosixPath(name).suffix[:16]
    return name[: FILE_NAME_MAX_LENGTH - len(suffix)] + suffix


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
