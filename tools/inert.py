"""What Odoo's cleaning of HTML leaves standing, and a browser would load or draw."""

import re

from lxml import etree, html
from markupsafe import Markup

MEDIA = ("area", "audio", "map", "math", "source", "svg", "track", "video")
"""They load what is elsewhere, or have languages of their own inside."""
_MEDIA = re.compile(f"<\\s*({'|'.join(MEDIA)})\\b", re.IGNORECASE)


def without_media(body):
    """A cleaned text without pictures that are code, films and sounds.

    :param Markup body: from ``html_sanitize``
    :return: Markup
    """
    if not _MEDIA.search(body or ""):
        return body
    root = html.fragment_fromstring(str(body), create_parent="div")
    for element in root.xpath("|".join(f".//{tag}" for tag in MEDIA)):
        element.drop_tree()
    return inner(root)


def inner(root):
    """What stands inside an element made by ``fragment_fromstring``, as Markup."""
    whole = etree.tostring(root, encoding="unicode", method="html")
    return Markup(whole.removeprefix("<div>").removesuffix("</div>"))
