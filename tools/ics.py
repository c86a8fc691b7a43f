"""Calendar files, as far as a recipient may know what they say."""

ATTENDEE = ("ATTENDEE:", "ATTENDEE;")
DESCRIPTION = ("DESCRIPTION:", "DESCRIPTION;")


def for_attendee(data, email, others=()):
    """An invitation that names nobody of the attendees but its recipient.

    :param bytes data: an iCalendar file
    :param str email: the recipient's address, as the file names it
    :param others: names, addresses and numbers of people it must not tell about; a
        description that holds one of them is left out
    :return: bytes
    """
    own = f":mailto:{email}".lower() if email else None
    strangers = [text.lower() for text in others]
    kept = []
    for line in _logical_lines(data.decode()):
        text = "".join(part[1:] if number else part for number, part in enumerate(line))
        if _may_stay(text, own, strangers):
            kept += line
    return "\r\n".join(kept).encode()


def _may_stay(text, own, strangers):
    if text.upper().startswith(ATTENDEE):
        return bool(own) and text.lower().endswith(own)
    if text.upper().startswith(DESCRIPTION):
        plain = _unescaped(text).lower()
        return not any(stranger in plain for stranger in strangers)
    return True


def _unescaped(text):
    for escaped, plain in (("\\n", "\n"), ("\\,", ","), ("\\;", ";"), ("\\\\", "\\")):
        text = text.replace(escaped, plain)
    return text


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
