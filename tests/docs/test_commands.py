"""The man page's synopsis and the completion of bash know the commands and flags that the program's own help tells of."""
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("TELLTALE_BIN", ROOT / "build/release/telltale")).resolve()
COMPLETION = ROOT / "packaging/completion/telltale.bash"


def printed(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=20, check=True).stdout


def commands():
    """Of one word or two."""
    found = re.findall(r"^  telltale ((?:[a-z]+ )+)", printed(BINARY, "--help"), re.M)
    return [words.strip() for words in found]


def help_of(command):
    return printed(BINARY, "help", *command.split())


def usage_of(command):
    usage = help_of(command).split("\n\n")[0]
    return " ".join(usage.removeprefix("usage: ").split())


def flags_of(command):
    return re.findall(r"^  (?:-\w,|   ) (--[a-z0-9-]+)", help_of(command), re.M)


def completed(*words):
    """What is offered for the last of the words."""
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _telltale; printf "%s\\n" "${COMPREPLY[@]}"'
    return printed("bash", "-c", script, "bash", COMPLETION, "telltale", *words).split()


def synopsis():
    page = re.sub(".\b", "", printed("mandoc", "-T", "utf8", ROOT / "man/telltale.1"))
    text = page.split("SYNOPSIS\n")[1].split("\nDESCRIPTION")[0]
    return [" ".join(one.split()) for one in re.split(r"^     (?=telltale )", text, flags=re.M)[1:]]


def test_there_are_commands():
    assert len(commands()) >= 13 and {"serve", "instance revoke", "get"} <= set(commands())
    assert "--http-tokens" in flags_of("options") and "--config" in flags_of("serve")


def test_the_man_page_has_each_usage():
    usages = [usage_of(command) for command in commands()]
    assert synopsis() == usages + ["telltale help [COMMAND [SUBCOMMAND]]", "telltale --version"]


@pytest.mark.parametrize("command", commands())
def test_completion_has_each_flag(command):
    assert sorted(completed(*command.split(), "--")) == sorted(flags_of(command))


def test_completion_has_each_command():
    first = {command.split()[0] for command in commands()}
    assert set(completed("")) == first | {"help"}
    for one in first:
        second = {command.split()[1] for command in commands() if command.startswith(one + " ")}
        if second:
            assert set(completed(one, "")) == second


@pytest.mark.parametrize("command", commands())
def test_completion_has_each_value(command):
    for flag, values in re.findall(r"(--[a-z0-9-]+) ([a-z]+(?:\|[a-z]+)+)", usage_of(command)):
        assert sorted(completed(*command.split(), flag, "")) == sorted(values.split("|"))
