#!/usr/bin/env python3
"""plant.py SOURCE_DIR COPY_DIR: copies of the sources that mutants change, with each bug beside the right text and
behind its switch (planted.h). Fails, naming the mutant, where a text does not occur exactly once."""

import pathlib
import sys

import table


def planted(text, mutants):
    spans = []
    for mutant in mutants:
        found = list(mutant.pattern().finditer(text))
        if len(found) != 1:
            sys.exit(f"mutant {mutant.name}: its text occurs {len(found)} times in {mutant.file}, not once: {mutant.old}")
        spans.append((found[0].start(), found[0].end(), mutant))
    spans.sort(key=lambda span: span[0])
    for (_, end, first), (begin, _, second) in zip(spans, spans[1:]):
        if begin < end:
            sys.exit(f"mutants {first.name} and {second.name} overlap in {first.file}")
    for begin, end, mutant in reversed(spans):
        text = text[:begin] + mutant.replacement(text[begin:end]) + text[end:]
    return text


def main(source, copies):
    by_file = {}
    for mutant in table.read():
        by_file.setdefault(mutant.file, []).append(mutant)
    for old in copies.rglob("*.cpp"):
        if str(old.relative_to(copies)) not in by_file:
            old.unlink()
    for name, mutants in by_file.items():
        text = f'#include "tests/mutation/planted.h"\n#line 1 "{name}"\n' + planted((source / name).read_text(), mutants)
        copy = copies / name
        if copy.exists() and copy.read_text() == text:
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(text)


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
