"""The tables of mutants, tests/mutation/AREA.txt. An entry:

    mutant NAME
      what: the kind of bug, in a line
      file: passes/registers/register_tile.cpp
      old: source text that occurs exactly once, spaces and line ends counting as any white space
      new: what the bug has in its place; where `old` ends with a semicolon, statements, else an expression
"""

import dataclasses
import pathlib
import re

FOLDER = pathlib.Path(__file__).parent


@dataclasses.dataclass
class Mutant:
    name: str
    area: str
    what: str = ""
    file: str = ""
    old: str = ""
    new: str = ""

    def pattern(self):
        return re.compile(r"\s+".join(re.escape(word) for word in self.old.split()))

    def replacement(self, old):
        planted = f'CNNC_PLANTED("{self.name}")'
        if self.old.endswith(";"):
            return f"if ({planted}) {{ {self.new} }} else {{ {old} }}"
        return f"({planted} ? ({self.new}) : ({old}))"


def read():
    mutants = []
    for path in sorted(FOLDER.glob("*.txt")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            word, _, rest = line.strip().partition(" ")
            if not word or word.startswith("#"):
                continue
            if word == "mutant":
                mutants.append(Mutant(rest.strip(), path.stem))
            elif word in ("what:", "file:", "old:", "new:") and mutants:
                setattr(mutants[-1], word[:-1], rest.strip())
            else:
                raise SystemExit(f"{path}:{number}: expected mutant, what:, file:, old: or new:, not '{word}'")
    names = [mutant.name for mutant in mutants]
    for mutant in mutants:
        if names.count(mutant.name) > 1:
            raise SystemExit(f"two mutants are called {mutant.name}")
        if not (mutant.what and mutant.file and mutant.old and mutant.new):
            raise SystemExit(f"mutant {mutant.name} lacks a line")
    return mutants
