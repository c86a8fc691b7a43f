"""Which files a contact may send.

An allow list: what people send their doctor, lawyer or bank, and what those take in.
Nothing that a browser or Windows runs on a double click. A ZIP may hold anything:
looking into it is for the scanner that stands where files are opened.
"""

from pathlib import PurePosixPath

from odoo.tools.mimetypes import guess_mimetype

ALLOWED = {
    "text": "doc docx md odt pages pdf rtf txt",
    "tables and slides": "csv key numbers odp ods ppt pptx xls xlsx",
    "pictures": "bmp gif heic heif jpeg jpg png tif tiff webp",
    "sound": "aac m4a mp3 oga ogg opus wav",
    "film": "avi m4v mkv mov mp4 mpeg mpg ogv webm",
    "post and calendar": "asc eml gpg ics msg p7m p7s vcf",
    "medicine and data": "dcm edf hl7 json xml",
    "archives": "7z gz rar tar zip",
}
EXTENSIONS = frozenset(" ".join(ALLOWED.values()).split())
ACCEPT = ",".join(f".{extension}" for extension in sorted(EXTENSIONS))
"""For a file field: what a browser offers to choose."""
RUN = frozenset(
    {
        "application/hta",
        "application/javascript",
        "application/vnd.microsoft.portable-executable",
        "application/x-dosexec",
        "application/x-executable",
        "application/x-mach-binary",
        "application/x-sharedlib",
        "application/x-shellscript",
        "application/xhtml+xml",
        "image/svg+xml",
        "text/html",
        "text/javascript",
        "text/x-shellscript",
    }
)
"""What a file must not be by its content, whatever it is called."""
PROGRAM_STARTS = (b"MZ", b"\x7fELF", b"#!")


def is_allowed(name, data):
    """Whether a contact may send a file.

    :param str name: cleaned
    :param bytes data: its content
    """
    extension = PurePosixPath(name).suffix[1:].lower()
    if extension not in EXTENSIONS or data.startswith(PROGRAM_STARTS):
        return False
    return guess_mimetype(data, default="") not in RUN
