"""How this module's own code is told from a caller's: by an object, in the context.

Clients choose the context of their calls, so a key alone proves nothing. JSON cannot
name an object of this process, so this one does.
"""

KEY = "secure_own_code"


class _OwnCode:
    """Has no value but its identity."""


OWN_CODE = _OwnCode()
MARK = {KEY: OWN_CODE}
"""To be merged into the context of what only own code may do."""


def is_own(env):
    """Whether this module's own code is at work in an environment."""
    return env.context.get(KEY) is OWN_CODE
