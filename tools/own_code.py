"""How this module's own code is told from a caller's: by an object, in the context.

Clients choose the context of their calls, so a key alone proves nothing. JSON cannot
name an object of this process, so this one does.
"""

KEY = "secure_own_code"
AUTOMATIC_KEY = "secure_automatic"
STANDARD_KEY = "secure_standard"
RENDERING_KEY = "secure_rendering"
TRACKING_KEY = "secure_tracking"


class _OwnCode:
    """Has no value but its identity."""

    def __repr__(self):
        return "<own code>"


OWN_CODE = _OwnCode()
MARK = {KEY: OWN_CODE}
"""To be merged into the context of what only own code may do."""
AUTOMATIC = {AUTOMATIC_KEY: OWN_CODE}
"""For what an automation sends: whoever set it off is not who sends."""
TRACKING = {TRACKING_KEY: OWN_CODE}
"""For what a change of a record sets off: it is saved whatever becomes of the send."""
RENDERING = {RENDERING_KEY: OWN_CODE}
"""For roads that know how to send what ``mail.template._render_field`` guards."""


class _Standard:
    """Which templates an administrator lets out as they are. Contexts reach whatever a
    send sets off (automations on its message), so the mark says what it is for."""

    def __init__(self, templates):
        self._named = {(one._name, one.id) for one in templates}

    def covers(self, template):
        return (template._name, template.id) in self._named


def standard(*templates):
    """For a server action or alarm that is set to send secure templates as they are."""
    return {STANDARD_KEY: _Standard([one for records in templates for one in records])}


def is_own(env):
    """Whether this module's own code is at work in an environment."""
    return env.context.get(KEY) is OWN_CODE


def is_automatic(env):
    """Whether an automation sends."""
    return env.context.get(AUTOMATIC_KEY) is OWN_CODE


def is_tracking(env):
    """Whether a change of a record sends, and not somebody on purpose."""
    return env.context.get(TRACKING_KEY) is OWN_CODE


def is_any_standard(env):
    """Whether what is set to be standard is being sent."""
    return isinstance(env.context.get(STANDARD_KEY), _Standard)


def is_standard(env, template):
    """Whether this secure template goes out as it is, by an administrator's choice."""
    mark = env.context.get(STANDARD_KEY)
    return isinstance(mark, _Standard) and mark.covers(template)


def may_render(env, template):
    """Whether what is rendered from a secure template will be sent as one, or was
    decided to go out as it is."""
    return env.context.get(RENDERING_KEY) is OWN_CODE or is_standard(env, template)


# -- what a form is opened with ---------------------------------------------------

CHOICE_KEYS = ("default_secure_send", "default_ask_consent")
"""In the context of a form: the switches as they stood where the form was opened."""


def only_protecting(records):
    """For what is made without a form: the context does not turn a switch off."""
    context = records.env.context
    return _without(records, [key for key in CHOICE_KEYS if not context.get(key, True)])


def without_choice(records):
    """For what comes of the form: each has a choice of its own."""
    return _without(records, CHOICE_KEYS)


def _without(records, keys):
    context = records.env.context
    kept = {key: value for key, value in context.items() if key not in keys}
    if len(kept) == len(context):
        return records
    return records.with_env(records.env(context=kept))
