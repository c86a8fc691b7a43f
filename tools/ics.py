"""Calendar files, as far as a recipient may know what they say."""

ATTENDEE = ("ATTENDEE:", "ATTENDEE;")


def for_attendee(data, email):
    """An invitation that names nobody of the attendees but its recipient.

    :param bytes data: an iCalendar file
    :param str email: the recipient's address, as the file names it
    :return: bytes
    """
    own = f":mailto:{email}".lower() if email else None
    kept = []
    for line in _logical_lines(data.decode()):
        text = "".join(part[1:] if number else part for number, part in enumerate(line))
        stranger = text.upper().startswith(ATTENDEE)
        if not stranger or (own and text.lower().endswith(own)):
            kept += line
    return "\r\n".join(kept).encode()


def _logical_lines(text):
    """Lists of the physical lines that belong together: a long one goes on after a
    line break and a space."""
    lines = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if line[:1] in (" ", "\t") and lines:
            lines[-1].append(line)
        else:
            lines.append([line])
    return lines
