"""Start Odoo's command line.

`python -m odoo` will not do: with several workers Odoo starts its second server by
running its own script again, and for a package's `__main__` that fails for ever.
"""

import odoo.cli

if __name__ == "__main__":
    odoo.cli.main()
