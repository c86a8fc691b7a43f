from . import attachment, page
