from . import attachment, page, thread
