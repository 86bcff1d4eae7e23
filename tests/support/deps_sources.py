#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Prints apt sources (deb822) derived from the machine's own configuration.

Only Debian's own archives are kept, each with its keyring and options, so
that no file of this project has to name a host. Usage:

    deps_sources.py TYPE [SUITE]

TYPE is deb or deb-src. With SUITE (a code name) the entries are rewritten for
that release; without it they stay as they are. Reads the one-line and the
deb822 format; does not read entries that are disabled.
"""
import os
import re
import shlex
import subprocess
import sys

ALIASES = ("stable", "oldstable", "oldoldstable", "testing", "unstable")
UNRELEASED = ("forky", "sid")  # updates and security are in the release itself
SUFFIX = r"((?:-updates|-security|/updates)?)"


def apt_paths():
    """The main list and the folder of lists, as apt itself sees them."""
    words = subprocess.run(
        ["apt-config", "shell", "MAIN", "Dir::Etc::sourcelist/f",
         "PARTS", "Dir::Etc::sourceparts/d"],
        stdout=subprocess.PIPE, text=True, check=True).stdout
    found = dict(w.split("=", 1) for w in shlex.split(words))
    return found.get("MAIN", ""), found.get("PARTS", "")


def read_deb822(text):
    """Yields stanzas: lists of [name, value], comments dropped."""
    stanza = []
    for line in text.splitlines() + [""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if stanza:
                yield stanza
            stanza = []
        elif line[0] in " \t" and stanza:
            stanza[-1][1] += "\n" + line
        elif ":" in line:
            name, value = line.split(":", 1)
            stanza.append([name.strip(), value.strip()])


def read_one_line(text):
    """The older format, one entry a line, as the same stanzas."""
    names = {"arch": "Architectures", "signed-by": "Signed-By",
             "trusted": "Trusted", "check-valid-until": "Check-Valid-Until",
             "allow-insecure": "Allow-Insecure"}
    for line in text.splitlines():
        m = re.match(r"\s*(deb|deb-src)\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)"
                     r"\s*([^#]*)", line)
        if not m:
            continue
        stanza = [["Types", m.group(1)], ["URIs", m.group(3)],
                  ["Suites", m.group(4)], ["Components", m.group(5).strip()]]
        for option in (m.group(2) or "").split():
            key, _, value = option.partition("=")
            if key.lower() in names:
                stanza.append([names[key.lower()], value.replace(",", " ")])
        yield stanza


def entries():
    main, parts = apt_paths()
    files = [main] if os.path.isfile(main) else []
    if os.path.isdir(parts):
        files += [os.path.join(parts, n) for n in sorted(os.listdir(parts))]
    for path in files:
        if not path.endswith((".list", ".sources")):
            continue
        with open(path, encoding="utf-8", errors="replace") as f:
            text = f.read()
        yield from (read_deb822(text) if path.endswith(".sources")
                    else read_one_line(text))


def debian_uris():
    """Archives whose Release file says Debian; empty when apt knows none."""
    out = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return {line.split(" ", 1)[1].rstrip("/")
            for line in out.splitlines() if line.startswith("Debian ")}


def code_name():
    with open("/etc/os-release", encoding="utf-8") as f:
        m = re.search(r'^VERSION_CODENAME="?([a-z]+)', f.read(), re.M)
    return m.group(1) if m else "sid"


def choose(fields, want, suite, origins):
    """The stanza to print for one entry, or None."""
    get = {n.lower(): v for n, v in fields}
    if get.get("enabled", "yes").lower() in ("no", "false", "0"):
        return None
    if not {"deb", "deb-src"} & set(get.get("types", "").split()):
        return None
    uris = [u for u in get.get("uris", "").split()
            if not origins or u.rstrip("/") in origins]
    known = "|".join(ALIASES + (code_name(), "sid"))
    suites = [m for m in (re.fullmatch(f"({known}){SUFFIX}", s)
                          for s in get.get("suites", "").split()) if m]
    if not uris or not suites or "main" not in get.get("components", ""):
        return None
    names = [(suite or m.group(1)) + m.group(2) for m in suites
             if suite not in UNRELEASED or not m.group(2)]
    if not names:
        return None
    fixed = {"types": want, "uris": " ".join(uris),
             "suites": " ".join(dict.fromkeys(names)), "components": "main"}
    return "\n".join(f"{n}: {fixed.get(n.lower(), v)}" for n, v in fields
                     if n.lower() != "architectures" or want == "deb")


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in ("deb", "deb-src"):
        sys.exit(__doc__)
    suite = sys.argv[2] if len(sys.argv) == 3 else None
    origins = debian_uris()
    chosen = [c for c in (choose(e, sys.argv[1], suite, origins)
                          for e in entries()) if c]
    if not chosen:
        sys.exit("no entry for a Debian archive in apt's configuration")
    print("\n\n".join(dict.fromkeys(chosen)))


if __name__ == "__main__":
    main()
