#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fails on an #include that doc/architecture.md does not allow.

Each folder is a room; ALLOWED is the table of that page. A header is looked
for where the compiler would find it; one that is not ours belongs to a host
or a library, and those have their rooms, too. Also fails on an include of a
.c file outside the tests, and on a path that leaves its folder by "..".
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LIB = {f"modules/lib/{p}" for p in
       ("base", "policy", "x509", "fips", "sdp", "ng", "media", "judge",
        "mras")}
BASE = {"modules/lib/base"}
API = "modules/tls_policy/api.h"

# room -> rooms or single files it may include, besides itself
ALLOWED = {
    "modules/lib/base": set(),
    "modules/lib/policy": BASE,
    "modules/lib/x509": BASE,
    "modules/lib/fips": BASE,
    "modules/lib/sdp": BASE,
    "modules/lib/ng": BASE,
    "modules/lib/media": BASE | {"modules/lib/policy", "modules/lib/sdp", "modules/lib/ng"},
    "modules/lib/judge": BASE | {"modules/lib/policy", "modules/lib/x509", "modules/lib/fips"},
    "modules/lib/mras": BASE,
    "modules/tls_policy": LIB,
    "modules/srtp_policy": LIB | {API},
    "modules/mras": LIB | {API},
    "modules/tgctl": LIB,
    "rtp_plugin": LIB,
    "tests": LIB | {"modules/tls_policy", "modules/srtp_policy",
                    "modules/mras", "modules/tgctl", "rtp_plugin"},
}
KAMAILIO = ("modules/tls_policy/", "modules/srtp_policy/", "modules/mras/",
            "tests/unit/tls_policy/", "tests/support/net_out.c")
# who may include a library; anyone may include the C library
LIBRARIES = {
    "openssl/": {"modules/lib/x509", "modules/lib/fips", "modules/lib/ng", "modules/lib/mras",
                 "modules/tls_policy", "modules/mras", "rtp_plugin", "tests"},
    "libxml/": {"modules/lib/mras", "tests"},
    "srtp2/": {"rtp_plugin", "tests"},
    "cmocka.h": {"tests"},
}
SEARCH = ("modules/lib", "modules", "rtp_plugin", "tests/unit", ".")


def room_of(path):
    """The longest room that holds a path relative to the root."""
    held = [r for r in ALLOWED if path == r or path.startswith(r + "/")]
    return max(held, key=len, default=None)


def resolve(name, source):
    for folder in (source.parent, *(ROOT / s for s in SEARCH)):
        path = folder / name
        if path.is_file():
            return path.resolve().relative_to(ROOT).as_posix()
    return None


def judge(source, quoted, name):
    """Why this include is wrong, or None."""
    path = source.relative_to(ROOT).as_posix()
    room = room_of(path)
    target = resolve(name, source) if quoted else None
    if ".." in name.split("/"):
        return "leaves its folder"
    if target is None:
        for prefix, rooms in LIBRARIES.items():
            if name.startswith(prefix) and room not in rooms:
                return f"{room} may not use this library"
        if quoted and not path.startswith(KAMAILIO):
            return "no such header here"
        return None
    if target.endswith(".c") and room != "tests":
        return "a .c file is not a header"
    there = room_of(target)
    if there in ({room} | ALLOWED[room]) or target in ALLOWED[room]:
        return None
    return f"{room} may not include {there or target}"


def main():
    wrong = 0
    for top in ("modules", "rtp_plugin", "tests"):
        for source in sorted((ROOT / top).rglob("*.[ch]")):
            text = source.read_text(errors="replace")
            for number, line in enumerate(text.splitlines(), 1):
                m = re.match(r'\s*#\s*include\s*(["<])([^">]+)', line)
                why = m and judge(source, m.group(1) == '"', m.group(2))
                if why:
                    wrong += 1
                    print(f"{source.relative_to(ROOT)}:{number}: "
                          f"{m.group(2)}: {why}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
