"""`python -m llmtui` is `llmtui`."""

from llmtui.cli.main import main

if __name__ == "__main__":
    main()
