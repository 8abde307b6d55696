"""Whether code in answers can be run safely here."""

from llmtui.services.checkup.report import Check
from llmtui.services.sandbox.access import Absence, probe


def sandbox() -> tuple[Check, ...]:
    """Runs a trial program in the sandbox. Starts processes: call it from a thread."""
    found = probe()
    key, label = "code.sandbox", "sandbox"
    if isinstance(found, Absence):
        hint = f"{found.remedy}. Only sets that run code, such as `coding`, need it"
        return (Check(key=key, label=label, status="warn", value=found.cause, hint=hint),)
    filtered = "" if found.filter is not None else ", no filter of system calls for this processor"
    owner = "" if found.is_held else ", and as root, where only looking limits the number of processes"
    value = f"bubblewrap runs {found.interpreter.program}{filtered}{owner}"
    return (Check(key=key, label=label, status="ok", value=value),)
