#!/usr/bin/env python3
"""Print lib/text/html_entities.c: the named character references of HTML 5.

usage: html_entities.py > lib/text/html_entities.c

The names and characters are those of the HTML standard, as Python's html.entities lists them. The second
table holds the lower-case names that are still unambiguous when written in capitals; their characters are
raised too (ftfy accepts those when they end in a semicolon).
"""
import html
from html.entities import html5


def literal(text):
    """A C string literal for text; octal escapes cannot run into what follows."""
    return '"' + "".join("\\%03o" % b if b < 32 or b > 126 or b in b'"\\?' else chr(b)
                         for b in text.encode()) + '"'


def table(name, rows):
    out = ["const struct vlp_entity %s[] = {" % name]
    line = "   "
    for key, value in sorted(rows.items(), key=lambda r: r[0].encode()):
        cell = " {%s, %s}," % (literal(key), literal(value))
        if len(line) + len(cell) > 99:
            out.append(line)
            line = "   "
        line += cell
    out += [line, "};", "const size_t %s_count = VLP_COUNT(%s);" % (name, name), ""]
    return out


capitals = {}
for entity, char in html5.items():
    if entity.endswith(";") and entity == entity.lower():
        raised = entity.upper()
        if html.unescape("&" + raised) == "&" + raised:
            capitals[raised] = char.upper()

print("""/*
 * html_entities.c -- the named character references of HTML 5, sorted by name.
 *
 * Made by scripts/html_entities.py; change that, not this. A name without its semicolon may begin a
 * longer word.
 */
#include "text_internal.h"

/* clang-format off */""")
print("\n".join(table("vlp_html_entities", html5) + table("vlp_html_capitals", capitals)), end="")
print("/* clang-format on */")
