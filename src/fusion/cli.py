"""The ``fusion`` command: an entry point that works in a plain install, to say what to install."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from fusion.insight_commands import app
    except ImportError as error:
        if error.name not in ("typer", "rich"):
            raise
        print("error: the fusion command needs its extra: pip install 'walkout-fusion[cli]'", file=sys.stderr)
        sys.exit(2)
    app()
