"""The developer ground: what `make` needs to get from a bare machine to Odoo.

Only the standard library is used here, because this code runs before there is
anything else. The module itself never imports it.
"""
