"""`llmtui profiles`: the profiles, what is in them and what they bring about, and characters made into them."""

from typing import TYPE_CHECKING, Any

import click

from llmtui.cli import output
from llmtui.cli.columns import aligned

if TYPE_CHECKING:
    from llmtui.domain.profile import Profile
    from llmtui.services.profile_import import ImportedProfile
    from llmtui.services.profiles import ProfileSummary, Setting

EXAMPLES = """\
\b
Examples:
  llmtui profiles                          the profiles there are
  llmtui profiles show assistant-zh        what it says, and which settings it leads to
  llmtui profiles show coder -m demo       with the settings of a model's publisher below it
  llmtui profiles check my.yaml            is it valid? the mistake with file, line and place
  llmtui profiles import card.png          a profile of one's own from a character card
  llmtui ask -p precise "17 + 25?"

PROFILE is a name from `llmtui profiles` (a unique beginning is enough) or a path. Your own profiles are YAML files in
the configuration folder under `profiles`; one that is named like a profile that comes along is taken in its place. The
file `default.yaml` that comes along shows every key there is."""
IMPORT_EXAMPLES = """\
\b
Examples:
  llmtui profiles import assistant.yaml       a character of text-generation-webui (YAML, JSON)
  llmtui profiles import card.png             a card of TavernAI or SillyTavern (PNG, JSON; V1, V2, V3)
  llmtui profiles import card.json -n poet

The profile goes into your folder of profiles. Scripts, page markup and control characters in a card are taken out."""


@click.group(name="profiles", invoke_without_command=True, epilog=EXAMPLES)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """List, show, check and import profiles."""
    ctx.obj = as_json
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, as_json=as_json)


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def list_(ctx: click.Context, *, as_json: bool) -> None:
    """List the profiles there are."""
    from llmtui.services.profiles import list_profiles  # noqa: PLC0415 - `--help` loads no service
    from llmtui.services.setup import prepare  # noqa: PLC0415

    found = list_profiles(prepare().folders)
    if as_json or ctx.obj:
        output.write_json({"profiles": [_summary(summary) for summary in found]})
        return
    rows = [("NAME", "MODE", "LANGUAGE", "DESCRIPTION", "WHERE")]
    for summary in found:
        profile = summary.profile
        where = "comes along" if summary.origin == "shipped" else summary.path
        cells = (profile.mode, profile.language or "", profile.description) if profile else ("", "", "! not valid")
        rows.append((summary.name, *cells, where))
    for line in aligned([tuple(map(output.safe_line, row)) for row in rows]):
        output.write(line + "\n")


@command.command(name="show")
@click.argument("profile", metavar="PROFILE")
@click.option("-m", "--model", metavar="MODEL", help="With the settings of this model's publisher.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def show(ctx: click.Context, profile: str, model: str | None, *, as_json: bool) -> None:
    """Show a profile, and where each setting comes from that is used with it."""
    from llmtui.services.profiles import find_profile, settings_with  # noqa: PLC0415 - `--help` loads no service
    from llmtui.services.setup import prepare  # noqa: PLC0415

    services = prepare(profile=profile)
    path = find_profile(services.folders, profile)
    defaults = services.catalogue.resolve(model).defaults if model is not None else None
    settings = settings_with(services.config, services.own, services.profile, defaults=defaults)
    if as_json or ctx.obj:
        import msgspec  # noqa: PLC0415 - only for JSON

        said = {"name": services.profile.name, **msgspec.to_builtins(services.profile)}
        effective = [msgspec.to_builtins(setting) for setting in settings]
        output.write_json({**said, "path": str(path), "effective": effective})
        return
    for line in _profile_lines(services.profile, str(path), settings):
        output.write(line + "\n")


@command.command(name="check")
@click.argument("profiles", metavar="PROFILE...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def check(ctx: click.Context, profiles: tuple[str, ...], *, as_json: bool) -> int:
    """Check profiles for mistakes; ends with exit code 1 when there are any."""
    from llmtui.services.profiles import check_profile, find_profile  # noqa: PLC0415 - `--help` loads no service
    from llmtui.services.setup import prepare  # noqa: PLC0415

    folders = prepare().folders
    found = [check_profile(folders, find_profile(folders, name)) for name in profiles]
    if as_json or ctx.obj:
        told = [{**_summary(summary), "ok": summary.problem is None} for summary in found]
        output.write_json({"ok": all(summary.problem is None for summary in found), "profiles": told})
    else:
        for summary in found:
            mark = "✓" if summary.problem is None else "✗"
            output.write(f"{mark} {output.safe_line(summary.name)}\n")
            if summary.problem is not None:
                output.write(f"    {output.safe_line(summary.problem)}\n")
    return 0 if all(summary.problem is None for summary in found) else 1


@command.command(name="import", epilog=IMPORT_EXAMPLES)
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("-n", "--name", metavar="NAME", help="Of the new profile; without it, the character's.")
@click.option("--force", is_flag=True, help="Replace a profile of yours of the same name.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def import_(ctx: click.Context, file: str, name: str | None, *, force: bool, as_json: bool) -> None:
    """Make a profile of a character from another program."""
    from pathlib import Path  # noqa: PLC0415 - `--help` loads none of what follows

    from llmtui.services.profile_import import import_profile  # noqa: PLC0415
    from llmtui.services.setup import prepare  # noqa: PLC0415

    found = import_profile(prepare().folders, Path(file), name=name, force=force)
    if as_json or ctx.obj:
        import msgspec  # noqa: PLC0415 - only for JSON

        output.write_json(msgspec.to_builtins(found))
        return
    for line in _import_lines(found):
        output.write(line + "\n")


def _summary(summary: "ProfileSummary") -> dict[str, Any]:
    profile = summary.profile
    return {
        "name": summary.name,
        "path": summary.path,
        "origin": summary.origin,
        "description": profile.description if profile else "",
        "mode": profile.mode if profile else None,
        "language": profile.language if profile else None,
        "problem": summary.problem,
    }


def _profile_lines(profile: "Profile", path: str, settings: "tuple[Setting, ...]") -> list[str]:
    facts = [
        ("name", profile.name),
        ("description", profile.description),
        ("file", path),
        ("language", profile.language or ""),
        ("mode", profile.mode),
        ("template", profile.template or ""),
        ("overflow", profile.overflow),
    ]
    lines = aligned([(name, output.safe_line(value)) for name, value in facts if value])
    character = profile.character
    texts = [("system", profile.system), ("command", profile.command)]
    if character is not None:
        texts += [
            ("character", f"{character.name}, who speaks with {character.user_name}"),
            ("context", character.context),
            ("greeting", character.greeting),
            ("example dialogue", character.example_dialogue),
        ]
    for name, text in texts:
        if text:
            lines += ["", name, *(f"  {line}".rstrip() for line in output.safe_text(text).splitlines())]
    rows = [("SETTING", "VALUE", "FROM")]
    rows += [(setting.name, setting.text, setting.origin) for setting in settings]
    return [*lines, "", *aligned([tuple(map(output.safe_line, row)) for row in rows])]


def _import_lines(found: "ImportedProfile") -> list[str]:
    lines = [f"{found.name}: from {found.format}, in {found.path}", *(f"  ! {note}" for note in found.notes)]
    lines.append(f'Try it with `llmtui -p {found.name}`, or `llmtui ask -p {found.name} "…"`')
    return [output.safe_line(line) if not line.startswith("  ") else f"  {output.safe_line(line)}" for line in lines]
