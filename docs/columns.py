#!/usr/bin/env python3
"""columns.py FILE...: says which lines of Markdown are longer than 120 columns.

Tables, code and lines that are long because of one link or one name cannot be broken and are left out, as is what
another command writes.
"""
import sys

COLUMNS = 120


def too_long(text: str) -> list[int]:
    """The numbers of the lines that could be shorter."""
    found, code, written = [], False, False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            code = not code
        if line.startswith("<!-- written by"):
            written = "from here" in line
        breakable = " " in line[:COLUMNS].strip() and " " in line.strip()[-COLUMNS:]
        free = code or written or line.lstrip().startswith(("|", "#"))
        if len(line) > COLUMNS and not free and breakable:
            found.append(number)
    return found


def main() -> int:
    failed = False
    for name in sys.argv[1:]:
        with open(name, encoding="utf-8") as file:
            for number in too_long(file.read()):
                print(f"{name}:{number}: longer than {COLUMNS} columns", file=sys.stderr)
                failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
