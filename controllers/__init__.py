from . import attachment, log, page, page_consent, thread
