from . import (
    test_chatter,
    test_files,
    test_keys,
    test_leaks,
    test_leaving,
    test_page,
    test_parallel,
    test_people,
    test_screens,
    test_send,
    test_throttle,
    test_tools,
)
