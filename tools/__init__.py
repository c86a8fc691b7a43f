from . import (
    content,
    keyring,
    limits,
    log_filter,
    network,
    notification,
    own_code,
    pin_policy,
    token,
)
