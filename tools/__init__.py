from . import (
    clashes,
    content,
    keyring,
    limits,
    log_chain,
    log_filter,
    network,
    notification,
    own_code,
    pin_policy,
    token,
)
