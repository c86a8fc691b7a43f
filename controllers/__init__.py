from . import attachment, log, page, page_consent, page_unknown, thread
