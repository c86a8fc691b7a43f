from . import test_chatter, test_files, test_leaks, test_send, test_tools
