from . import (
    test_chatter,
    test_files,
    test_leaks,
    test_page,
    test_send,
    test_throttle,
    test_tools,
)
