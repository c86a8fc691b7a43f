from . import attachment, page, page_consent, thread
