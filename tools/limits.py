"""How much a message may carry, from either side."""

MEGABYTE = 1024 * 1024
FILE_MAX_BYTES = 25 * MEGABYTE
FILES_PER_MESSAGE = 10
FILES_MAX_BYTES = 60 * MEGABYTE
"""All files of one message together."""


class FilesRefused(ValueError):
    """Files that are too many or too large; ``reason`` is one of ``count``, ``file``,
    ``total``, and ``limit`` the number to name (a count, or megabytes)."""

    def __init__(self, reason, limit):
        super().__init__(reason)
        self.reason = reason
        self.limit = limit


def check_files(sizes):
    """Refuse more than one message may carry.

    :param sizes: of its files, in bytes
    :raise FilesRefused: with the reason
    """
    sizes = list(sizes)
    if len(sizes) > FILES_PER_MESSAGE:
        raise FilesRefused("count", FILES_PER_MESSAGE)
    if any(size > FILE_MAX_BYTES for size in sizes):
        raise FilesRefused("file", FILE_MAX_BYTES // MEGABYTE)
    if sum(sizes) > FILES_MAX_BYTES:
        raise FilesRefused("total", FILES_MAX_BYTES // MEGABYTE)
