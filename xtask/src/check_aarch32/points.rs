//! `--break` and `--watch` without a client, and what is refused.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::host::Host;
use crate::run_guest::tool::{program, run_to_end};

/// A point, the function that it is hit in, and who has called that. In each round `chain_outer` doubles 5, `chain_middle`
/// adds 100, and `chain_inner` is called with both.
const HITS: [(&str, &str, &[&str]); 4] = [
    ("--break=chain_middle if $r0 == 10 && $sp != 0", "chain_middle", &["chain_outer", "run", "one_round"]),
    (
        "--break=chain_inner if $r0 == 110 && $lr != 0",
        "chain_inner",
        &["chain_middle", "chain_outer", "run", "one_round", "firmware_main"],
    ),
    ("--watch=STEPPING_RESULT changed", "run", &["one_round", "firmware_main"]),
    ("--watch=ONLY_READ:r", "read_t32", &["run", "one_round", "firmware_main"]),
];

/// Checks the hits of these points, and that an AArch32 guest gets nothing that it cannot have.
pub(super) fn check(host: &Host, tool: &Path, firmware: &Path) -> Result<()> {
    let mut arguments: Vec<String> = HITS.iter().map(|(point, ..)| (*point).to_owned()).collect();
    let options = ["--gdb=none", "--on-stop=log", "--max-stops=12", "--format=json", "--backtrace"];
    arguments.extend(options.map(str::to_owned));
    let (status, lines) = run_to_end(host, program(tool, firmware, &arguments))?;
    let all = lines.join("\n");
    ensure!(status == 0, "exit status {status}:\n{all}");
    let hits = lines
        .iter()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).with_context(|| line.clone()))
        .collect::<Result<Vec<Value>>>()?;
    for (point, function, callers) in HITS {
        let (_, name) = point.split_once('=').context("a point has a name")?;
        let is_it = |hit: &&Value| hit["point"] == name && last_of_path(&hit["symbol"]) == Some(function);
        let hit =
            hits.iter().find(is_it).with_context(|| format!("no hit of {point} in {function}:\n{all}"))?;
        let trace = hit["backtrace"].as_array().context("there is no backtrace")?;
        let seen: Vec<&str> = trace.iter().filter_map(|frame| last_of_path(&frame["symbol"])).collect();
        ensure!(seen.starts_with(callers), "{point} was called by {seen:?}, not by {callers:?}");
        println!("{point:<58} {function}, called by {}", seen.join(", "));
    }

    let (status, lines) = run_to_end(host, program(tool, firmware, ["--gdb=none", "--features=sve"]))?;
    let all = lines.join("\n");
    ensure!(status == 1 && all.contains("a guest whose EL1 uses AArch32 has no SVE"), "{status}:\n{all}");
    println!("{:<58} refused", "--features=sve");
    Ok(())
}

/// `c` of `a::b::c`.
fn last_of_path(symbol: &Value) -> Option<&str> {
    symbol.as_str()?.rsplit("::").next()
}
