//! `cargo xtask check-points`: `trapline guest` without a client, on a real KVM.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::host::{Host, HostOptions};
use crate::run_guest::{build, tool};
use crate::setup::{Requirement, Setup};

/// Checks what `trapline guest` tells of --break and --watch without a client: order, values and symbols of hits
/// in the demonstration firmware, as text and as JSON.
///
/// Exit status: 0 when all is as it should be, 1 otherwise.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    host: HostOptions,
    /// Fetch nothing: where something is missing, say what, and how to get it by hand
    #[arg(long)]
    no_install: bool,
}

/// The points of the sessions. Each round of the firmware begins at `one_round`, stores 0x11223344 and then
/// 0x55667788 to bytes 5 to 8 of `PACKED`, and ends by adding 1 to `ROUNDS`.
const POINTS: [&str; 6] = [
    "--break=one_round",
    "--watch=PACKED+5:4 changed if *(u32*)(PACKED + 5) == 0x11223344",
    "--watch=ROUNDS:w == 3",
    "--break=store_unaligned if $w1 == 0x55667788 && *(u64*)ROUNDS == 1",
    "--on-stop=log",
    "--max-stops=9",
];
const ROUND: &str = "one_round";
const PACKED: &str = "PACKED+5:4 changed if *(u32*)(PACKED + 5) == 0x11223344";
const ROUNDS: &str = "ROUNDS:w == 3";
const STORE: &str = "store_unaligned if $w1 == 0x55667788 && *(u64*)ROUNDS == 1";

/// The hits of these points: three rounds, and the first two points of the fourth.
const HITS: [&str; 9] = [ROUND, PACKED, ROUND, PACKED, STORE, ROUND, PACKED, ROUNDS, ROUND];

/// Carries the command out.
pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let host = Host::choose(options.host)?;
    let mut requirements = vec![Requirement::HOST_TARGET, Requirement::BARE_METAL_TARGET];
    requirements.extend(host.requirements());
    Setup::new(options.no_install).ensure(&requirements)?;
    let (tool, firmware) = (build::tool()?, build::firmware()?);

    let guest = |arguments: &[&str]| session(&host, &tool, &firmware, arguments);
    let json: Vec<&str> = POINTS.into_iter().chain(["--format=json", "--backtrace"]).collect();
    check_json(&guest(&json)?).context("hits as JSON")?;
    println!("hits as JSON: ok");
    check_text(&guest(&POINTS)?).context("hits as text")?;
    println!("hits as text: ok");
    let stop = guest(&["--break=store_unaligned", "--backtrace"])?;
    check_stop(&stop).context("the first hit")?;
    println!("the first hit: ok");
    Ok(ExitCode::SUCCESS)
}

/// Runs the tool without a server; what it says on both outputs.
fn session(host: &Host, tool: &Path, firmware: &Path, arguments: &[&str]) -> Result<Vec<String>> {
    let arguments = arguments.iter().chain(&["--gdb=none"]);
    let (status, lines) = tool::run_to_end(host, tool::program(tool, firmware, arguments))?;
    ensure!(status == 0, "exit status {status}:\n{}", lines.join("\n"));
    Ok(lines)
}

fn check_json(lines: &[String]) -> Result<()> {
    let objects = lines
        .iter()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).with_context(|| line.clone()))
        .collect::<Result<Vec<Value>>>()?;
    let all = lines.join("\n");
    let Some((summary, hits)) = objects.split_last() else { bail!("there is no JSON:\n{all}") };
    let points: Vec<&str> = hits.iter().filter_map(|hit| hit["point"].as_str()).collect();
    ensure!(points == HITS, "{points:#?}\n{all}");

    let mut time = 0.0;
    for (number, hit) in (1..).zip(hits) {
        let same = |key: &str, value: Value| ensure_same(hit, key, &value);
        same("event", json!("hit"))?;
        same("number", json!(number))?;
        same("core", json!(0))?;
        let now = hit["guest_time"].as_f64().context("there is no time")?;
        ensure!(now >= time, "time goes back: {hit}");
        time = now;
        let callers = hit["backtrace"].as_array().context("there is no backtrace")?;
        // The firmware keeps no frame pointers: only at its first instruction a function's caller is known.
        let called = |name: &str| callers.first().is_some_and(|frame| frame["symbol"] == name);
        let value = |old: &str, new: &str| {
            let value = hit["value"].as_object().with_context(|| format!("there is no value: {hit}"))?;
            ensure!(value["old"] == old && value["new"] == new, "not {old}, then {new}: {hit}");
            Ok(())
        };
        match hit["point"].as_str() {
            Some(ROUND) => {
                same("reason", json!("hardware breakpoint"))?;
                same("symbol", json!("one_round"))?;
                same("offset", json!(0))?;
                ensure!(called("firmware_main"), "the caller is missing: {hit}");
                ensure!(hit["file"].as_str().is_some_and(|file| file.ends_with("/rounds.rs")), "{hit}");
            }
            Some(PACKED) => {
                same("reason", json!("write watchpoint"))?;
                same("symbol", json!("store_unaligned"))?;
                value("0x55667788", "0x11223344")?;
            }
            Some(ROUNDS) => {
                same("reason", json!("write watchpoint"))?;
                value("0x2", "0x3")?;
            }
            _ => {
                same("symbol", json!("store_unaligned"))?;
                ensure!(called("update_packed"), "the caller is missing: {hit}");
            }
        }
    }
    ensure_same(summary, "event", &json!("summary"))?;
    ensure_same(summary, "hits", &json!(HITS.len()))?;
    let counts = [(ROUND, 4), (STORE, 1), (PACKED, 3), (ROUNDS, 1)];
    let counts: Vec<Value> =
        counts.iter().map(|(point, hits)| json!({ "point": point, "hits": hits })).collect();
    ensure_same(summary, "points", &Value::Array(counts))
}

fn ensure_same(object: &Value, key: &str, value: &Value) -> Result<()> {
    ensure!(object.get(key) == Some(value), "{key} is not {value}: {object}");
    Ok(())
}

fn check_text(lines: &[String]) -> Result<()> {
    let all = lines.join("\n");
    let hits: Vec<&str> = lines.iter().filter_map(|line| Some(line.split_once(" core 0: ")?.1)).collect();
    ensure!(hits.len() == HITS.len(), "{all}");
    for (hit, point) in hits.iter().zip(HITS) {
        let (begins, has) = match point {
            ROUND => (format!("hardware breakpoint '{point}' at 0x"), " one_round (rounds.rs:"),
            PACKED => {
                (format!("write watchpoint '{point}' touched at 0x"), ", 0x55667788 -> 0x11223344, by 0x")
            }
            ROUNDS => (format!("write watchpoint '{point}' touched at 0x"), ", 0x2 -> 0x3, by 0x"),
            _ => (format!("hardware breakpoint '{point}' at 0x"), " store_unaligned (packed.rs:"),
        };
        ensure!(hit.starts_with(&begins) && hit.contains(has), "{hit}\n{all}");
    }
    let summary = lines.iter().position(|line| line.starts_with("9 hits in ")).context("no summary")?;
    let counts = lines.get(summary + 1..).unwrap_or_default();
    let wanted = [(4, ROUND), (1, STORE), (3, PACKED), (1, ROUNDS)];
    let wanted: Vec<String> = wanted.iter().map(|(hits, point)| format!("{hits:8}  {point}")).collect();
    ensure!(counts == wanted, "{all}");
    // What each takes is told before the guest runs: three bytes of one doubleword, one of the next.
    let taken = format!("{PACKED}: write of ");
    let taken = lines.iter().find(|line| line.starts_with(&taken)).context("nothing was armed")?;
    ensure!(taken.ends_with(", 2 watchpoint comparators"), "{taken}");
    Ok(())
}

fn check_stop(lines: &[String]) -> Result<()> {
    let all = lines.join("\n");
    let hit = lines.iter().position(|line| line.contains(" core 0: ")).context("no hit")?;
    let [hit, caller, ..] = lines.get(hit..).unwrap_or_default() else { bail!("{all}") };
    ensure!(hit.contains("'store_unaligned' at 0x"), "{all}");
    ensure!(caller.starts_with("    called from 0x") && caller.contains(" update_packed+"), "{all}");
    ensure!(lines.iter().any(|line| line.starts_with("1 hit in ")), "{all}");
    Ok(())
}
