"""How much a message may carry."""

MEGABYTE = 1024 * 1024

FILE_MAX_BYTES = 25 * MEGABYTE
FILES_PER_MESSAGE = 10
MESSAGE_FILES_MAX_BYTES = 60 * MEGABYTE
CLIENT_FILES_PER_DAY_BYTES = 200 * MEGABYTE
REQUEST_MAX_BYTES = 80 * MEGABYTE
"""What the server reads of one request: all files of a message, and room
for text and form around them."""
BODY_MAX_CHARACTERS = 500_000
"""Of one message, with its markup and the pictures in it."""
LINKED_PICTURES_MAX_BYTES = 300_000
"""Of all pictures together that a text shows by an address (a logo, a signature's, a
template's), as they stand in it; beyond, they are left out. Leaves most of a message to
its text."""
LINKED_PICTURE_BYTES = 60_000
"""Larger ones are made smaller ..."""
LINKED_PICTURE_SIDE = 800
"""... to this many pixels: no page shows them wider."""


class TooMuch(ValueError):
    """``reason`` is ``file``, ``count`` or ``total``."""

    def __init__(self, reason, name=""):
        super().__init__(reason, name)
        self.reason = reason
        self.name = name


def check_files(files):
    """Refuse files beyond the limits.

    :param files: list of (name, size in bytes)
    :raise TooMuch: with the reason
    """
    if len(files) > FILES_PER_MESSAGE:
        raise TooMuch("count")
    for name, size in files:
        if size > FILE_MAX_BYTES:
            raise TooMuch("file", name)
    if sum(size for _name, size in files) > MESSAGE_FILES_MAX_BYTES:
        raise TooMuch("total")
