from . import (
    mail_compose_message,
    mail_compose_message_listed,
    mail_compose_message_send,
    mail_template_preview,
    mail_compose_message_screen,
    secure_compose,
    secure_compose_preview,
    secure_compose_recipients,
    secure_compose_send,
    secure_pin_wizard,
    sms_composer,
    sms_composer_screen,
)
