#!/usr/bin/env python3
"""summary.py BUILD_DIR STATUS: gathers what the steps of tests/run left in the build folder in test-summary.json there, and says it
in words. A step that did not run leaves nothing and is not mentioned. STATUS is 0 where every step went well."""

import json
import pathlib
import sys
import xml.etree.ElementTree


def loaded(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


def reason(case):
    """GoogleTest prints "FILE:LINE: Skipped" and, on the next line, why."""
    lines = (case.findtext("system-out") or "").splitlines()
    for line, after in zip(lines, lines[1:]):
        if line.endswith(": Skipped"):
            return after
    return case.get("status")


def tests(junit):
    """ctest's own counts."""
    cases = list(xml.etree.ElementTree.parse(junit).iter("testcase")) if junit.exists() else []
    skipped = [case for case in cases if case.get("status") not in ("run", "fail")]
    failed = [case.get("name") for case in cases if case.get("status") == "fail"]
    return {"passed": len(cases) - len(failed) - len(skipped), "failed": len(failed), "skipped": len(skipped), "failed_tests": failed,
            "skipped_tests": [{"name": case.get("name"), "reason": reason(case)} for case in skipped]}


def fuzzing(folder):
    fuzzers = {}
    for path in sorted(folder.glob("*/counts")):
        inputs, failures = path.read_text().split()
        fuzzers[path.parent.name] = {"inputs": int(inputs), "failures": int(failures)}
    return {"fuzz_inputs": sum(f["inputs"] for f in fuzzers.values()), "fuzz_failures": sum(f["failures"] for f in fuzzers.values()),
            "fuzzers": fuzzers}


def steps(path):
    """Lines "SECONDS STATUS NAME"."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [{"name": name, "seconds": int(seconds), "failed": status != "0"} for seconds, status, name in (l.split(" ", 2) for l in lines)]


def gathered(build):
    networks = loaded(build / "random-networks.json") or {}
    result = {**tests(build / "junit.xml"), "seconds": 0, "random_networks": networks.get("networks", 0),
              "mismatches": networks.get("mismatches", 0), **fuzzing(build / "fuzz" / "stats"), "steps": steps(build / "steps.txt")}
    result["seconds"] = sum(step["seconds"] for step in result["steps"])
    mutation = loaded(build / "mutation.json")
    if mutation:
        result["mutants"] = {key: mutation[key] for key in ("planted", "killed", "areas", "killers", "golden_only", "survivors")}
        result["mutants"]["killed_by"] = {mutant["name"]: mutant["killed_by"] for mutant in mutation["mutants"]}
    coverage = loaded(build / "coverage.json")
    if coverage:
        result["coverage"] = coverage
    return result


def in_words(result, failed):
    lines = [f"{step['name'] + (' (FAILED)' if step['failed'] else ''):40} {step['seconds']:5} s" for step in result["steps"]]
    lines.append(f"tests            {result['passed']} passed, {result['failed']} failed, {result['skipped']} skipped")
    lines += [f"                 FAILED {name}" for name in result["failed_tests"]]
    if result["random_networks"]:
        lines.append(f"random networks  {result['random_networks']}, {result['mismatches']} mismatches")
    if result["fuzzers"]:
        lines.append(f"fuzzing          {result['fuzz_inputs']} inputs to {len(result['fuzzers'])} fuzzers, {result['fuzz_failures']} of them failed")
        lines += [f"                 FAILED {name}" for name, counts in result["fuzzers"].items() if counts["failures"]]
    if "mutants" in result:
        mutants = result["mutants"]
        lines.append(f"planted bugs     {mutants['killed']} noticed of {mutants['planted']}")
        lines += [f"                 {area:20} {count['killed']} of {count['planted']}" for area, count in mutants["areas"].items()]
        lines += [f"                 SURVIVES {name}" for name in mutants["survivors"]]
    for folder, share in result.get("coverage", {}).items():
        title = "coverage" if folder == next(iter(result["coverage"])) else ""
        lines.append(f"{title:16} {folder:10} {share['line_percent']:5.1f} % of lines, {share['branch_percent']:5.1f} % of branches")
    lines.append("something FAILED" if failed else "all is well")
    return "\n".join(lines)


def main(build, status):
    result = gathered(build)
    (build / "test-summary.json").write_text(json.dumps(result, indent=2) + "\n")
    print(in_words(result, status != "0"))


main(pathlib.Path(sys.argv[1]), sys.argv[2])
