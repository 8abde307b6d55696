"""The commands by name: listing them imports none of them."""

COMMANDS = {
    "ask": ("llmtui.cli.ask", "Ask one question; the answer goes to standard output."),
    "run": ("llmtui.cli.run", "Put prompt sets to models, and score the answers."),
    "compare": ("llmtui.cli.compare", "Lay runs side by side."),
    "models": ("llmtui.cli.models", "List, show, pull, quantise or remove models."),
    "prompts": ("llmtui.cli.prompts", "List, show, check and import prompt sets."),
    "profiles": ("llmtui.cli.profiles", "List, show, check and import profiles."),
    "templates": ("llmtui.cli.templates", "List and show chat templates."),
    "doctor": ("llmtui.cli.doctor", "Check this machine and this installation."),
}
"""Module and line of help of each command; the module's `command` is the click command."""
