# ctest's JUnit file -> {"passed", "failed", "skipped", "seconds", "random_networks", "mismatches", "fuzz_inputs", "fuzz_failures", "failed_tests": [names], "skipped_tests": [{"name", "reason"}]}

function attribute(line, key,   rest) {
  if (!match(line, " " key "=\"[^\"]*\"")) return ""
  rest = substr(line, RSTART + length(key) + 3, RLENGTH - length(key) - 4)
  return plain(rest)
}

function plain(text) {
  gsub(/&lt;/, "<", text); gsub(/&gt;/, ">", text); gsub(/&quot;/, "\"", text); gsub(/&apos;/, "'", text)
  gsub(/&#[xX]?[0-9a-fA-F]+;/, " ", text); gsub(/&amp;/, "\\&", text)
  return text
}

function json(text) {
  gsub(/\\/, "\\\\", text); gsub(/"/, "\\\"", text); gsub(/[\001-\037]/, " ", text)
  return "\"" text "\""
}

/<testcase / {
  name = attribute($0, "name"); status = attribute($0, "status"); reason = ""; after_skipped = 0
}
# GoogleTest prints "FILE:LINE: Skipped" and, on the next line, the reason.
after_skipped { reason = plain($0); after_skipped = 0 }
/: Skipped$/ { after_skipped = 1 }

/<\/testcase>/ || (/<testcase / && /\/>/) {
  if (status == "run") passed++
  else if (status == "fail") { failed++; failures = failures (failures == "" ? "" : ", ") json(name) }
  else {
    skipped++
    skips = skips (skips == "" ? "" : ",") "\n    {\"name\": " json(name) ", \"reason\": " json(reason == "" ? status : reason) "}"
  }
}

END {
  split(fuzzing, fuzz, " ")
  printf "{\n  \"passed\": %d,\n  \"failed\": %d,\n  \"skipped\": %d,\n  \"seconds\": %d,\n", passed, failed, skipped, seconds
  printf "  \"random_networks\": %d,\n  \"mismatches\": %d,\n", networks, mismatches
  printf "  \"fuzz_inputs\": %d,\n  \"fuzz_failures\": %d,\n", fuzz[1], fuzz[2]
  printf "  \"failed_tests\": [%s],\n  \"skipped_tests\": [%s%s]\n}\n", failures, skips, skips == "" ? "" : "\n  "
}
