from . import (
    mail_compose_message,
    mail_compose_message_send,
    mail_template_preview,
    secure_compose,
    secure_pin_wizard,
    sms_composer,
)
