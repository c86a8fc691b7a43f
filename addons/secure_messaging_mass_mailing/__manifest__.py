{
    "name": "Secure Messaging: Mailings",
    "summary": "Mailings by email and SMS, read behind a link and a PIN",
    "version": "19.0.1.0.0",
    "category": "Productivity/Discuss",
    "license": "LGPL-3",
    "author": "Secure Messaging for Odoo contributors",
    "depends": ["secure_messaging", "mass_mailing", "mass_mailing_sms"],
    "data": ["views/mailing_mailing_views.xml"],
    "uninstall_hook": "uninstall_hook",
    "auto_install": True,
    "installable": True,
}
