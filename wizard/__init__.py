from . import (
    mail_compose_message,
    secure_compose,
    secure_pin_wizard,
    sms_composer,
)
