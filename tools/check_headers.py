#!/usr/bin/env python3
"""Checks that every header in src/ begins with its charter and the six lines that say who may use it how."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LABELS = ["Layer", "Threads", "Memory", "Secrets", "Limits", "Spec"]


def fault_of(path):
    text = path.read_text()
    if not re.match(r"/\*\n \* [\w, ]+ - \S", text):
        return "does not begin with its charter: /* NAME - what it is for"
    head = text.split("*/")[0]
    found = re.findall(r"^ \* (\w+): +\S", head, re.M)
    if [label for label in found if label in LABELS] != LABELS:
        return f"its head has {found}, not {LABELS} in that order"
    return None


def main():
    faults = []
    for path in sorted((ROOT / "src").rglob("*.h")):
        fault = fault_of(path)
        if fault:
            faults.append(f"{path.relative_to(ROOT)}: {fault}")
    print("\n".join(faults) or "headers: ok")
    return 1 if faults else 0


sys.exit(main())
