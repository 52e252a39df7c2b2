#!/usr/bin/env python3
"""Checks that every #include "..." in src/ stays within what tools/layers.txt allows."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
# The pure layers open no descriptor, read no clock and start no thread.
PURE = ("metadata",)
PURE_FILES = ("control/ec2_filter.c", "control/ec2_filter.h", "control/query.c", "control/query.h", "control/sigv4.c",
              "control/sigv4.h", "control/xml.c", "control/xml.h", "http/http1.c", "http/http1.h")
IMPURE = re.compile(r'#\s*include\s+<(fcntl|unistd|time|pthread|threads|sys/socket|sys/stat|stdio)\.h>')


def read_rules():
    rules = {}
    for line in (ROOT / "tools/layers.txt").read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            layer, _, allowed = line.partition(":")
            rules[layer] = set(allowed.split()) | {layer}
    return rules


def main():
    rules, faults = read_rules(), []
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        name = path.relative_to(ROOT / "src")
        layer = name.parts[0] if len(name.parts) > 1 else "main"
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            target = match.group(1) if match else ""
            if target and target != "version.h" and target.split("/")[0] not in rules[layer] \
                    and target not in rules[layer]:
                faults.append(f"src/{name}:{number}: {layer} may not include {target}")
            if (layer in PURE or str(name) in PURE_FILES) and IMPURE.search(line):
                faults.append(f"src/{name}:{number}: {layer} is pure: {line.strip()}")
    print("\n".join(faults) or "layers: ok")
    return 1 if faults else 0


sys.exit(main())
