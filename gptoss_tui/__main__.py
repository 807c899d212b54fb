"""`python -m gptoss_tui`."""

from gptoss_tui.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
