"""`make smoke`: the whole road without hands. Exit code 0 means it works."""

import sys

from stage import Stage


def main(stage):
    """Walk the road; raise or return a number other than 0 when it is blocked."""
    with stage.browser() as browser:
        page = browser.new_page()
        page.goto(f"{stage.base_url}/web/login")
        print(f"    the browser sees: {page.title()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Stage.here()))
