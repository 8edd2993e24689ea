//! Hits that are told without a client, and what an interrupted tool leaves: nothing.

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Kind, tool::Tool};
use crate::simulator::Board;

/// The points, and the order of their hits: the third round ends with the store that the second one waits for.
const ROUND: &str = "one_round";
const STORE: &str = "ROUNDS:w == 3";
const HITS: [&str; 5] = [ROUND, ROUND, ROUND, STORE, ROUND];

/// Where a client's session leaves breakpoint and watchpoint 0 of the first core.
pub(super) const fn slots(kind: Kind) -> [u64; 2] {
    match kind {
        Kind::Armv8a => [0x8001_0408, 0x8001_0808],
        Kind::CortexM3 | Kind::CortexM33 => [0xe000_2008, 0xe000_1028],
    }
}

/// Checks it on a board of this kind.
pub(super) fn check(kind: Kind) -> Result<()> {
    let firmware = kind.firmware()?;
    let board = Board::start(kind.name(), "glasgow", &firmware)?;
    let start = |more: &[&str]| {
        let points = ["--gdb=none", "--break=one_round", "--watch=ROUNDS:w == 3", "--on-stop=log"];
        Tool::start(&board, kind, &firmware, &[&points, more].concat())
    };
    let (status, lines) = start(&["--connect-under-reset", "--format=json", "--max-stops=5"])?.end()?;
    ensure!(status.success(), "it ended with {status}:\n{}", lines.join("\n"));
    check_json(&lines)?;
    board.writes()?;

    // Ctrl-C, while hits come one after the other.
    let mut tool = start(&["--connect-under-reset"])?;
    for _ in 0..3 {
        tool.wait_for("hardware breakpoint 'one_round'")?;
    }
    tool.signal(Signal::INT)?;
    let (status, lines) = tool.end()?;
    ensure!(status.code() == Some(130), "interrupted, it ended with {status}:\n{}", lines.join("\n"));
    ensure!(
        lines.iter().any(|line| line.contains(" hits in ")),
        "there is no summary:\n{}",
        lines.join("\n")
    );
    let writes = board.writes()?;
    for address in slots(kind) {
        let last =
            writes.iter().rfind(|write| write.address == address).context("a slot was never written")?;
        ensure!(last.value == 0, "{address:#x} is left as {:#x}", last.value);
    }

    // The core has run on: the next session, without a reset, meets it in its rounds.
    let (status, lines) = start(&["--max-stops=1"])?.end()?;
    ensure!(
        status.success() && lines.iter().any(|line| line.starts_with("1 hit in ")),
        "{}",
        lines.join("\n")
    );
    board.writes()?;

    // One that is killed leaves its slots armed, and the next clears them.
    let mut tool = start(&[])?;
    tool.wait_for("hardware breakpoint 'one_round'")?;
    tool.signal(Signal::KILL)?;
    let _ = tool.end()?;
    // The simulator has noticed, and listens again.
    board.writes()?;
    let options = ["--gdb=none", "--watch=ROUNDS:w changed", "--on-stop=log", "--max-stops=2"];
    let (status, lines) = Tool::start(&board, kind, &firmware, &options)?.end()?;
    ensure!(status.success(), "after one that was killed, it ended with {status}:\n{}", lines.join("\n"));
    ensure!(lines.iter().any(|line| line.starts_with("2 hits in ")), "{}", lines.join("\n"));
    Ok(())
}

/// Checks that a tool whose probe goes away says so, and ends.
pub(super) fn check_lost_probe() -> Result<()> {
    let kind = Kind::CortexM33;
    let firmware = kind.firmware()?;
    let board = Board::start(kind.name(), "glasgow", &firmware)?;
    let options = ["--gdb=none", "--break=one_round", "--on-stop=log", "--probe-timeout=3"];
    let mut tool = Tool::start(&board, kind, &firmware, &options)?;
    tool.wait_for("hardware breakpoint 'one_round'")?;
    drop(board);
    let (status, lines) = tool.end()?;
    let told = lines.iter().any(|line| line.contains("the probe") && line.starts_with("trapline: "));
    ensure!(status.code() == Some(1) && told, "it ended with {status}:\n{}", lines.join("\n"));
    Ok(())
}

fn check_json(lines: &[String]) -> Result<()> {
    let all = lines.join("\n");
    let objects = lines
        .iter()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).with_context(|| line.clone()))
        .collect::<Result<Vec<Value>>>()?;
    let Some((summary, hits)) = objects.split_last() else { bail!("there is no JSON:\n{all}") };
    let points: Vec<&str> = hits.iter().filter_map(|hit| hit["point"].as_str()).collect();
    ensure!(points == HITS, "the hits are {points:?}:\n{all}");
    for hit in hits {
        ensure!(hit["core"] == json!(0) && hit["symbol"].is_string() && hit["line"].is_number(), "{hit}");
        if hit["point"] == json!(STORE) {
            let value = &hit["value"];
            ensure!(value["old"] == json!("0x2") && value["new"] == json!("0x3"), "{hit}");
            ensure!(hit["address"] == value["address"], "{hit}");
        } else {
            ensure!(hit["symbol"] == json!(ROUND) && hit["reason"] == json!("hardware breakpoint"), "{hit}");
        }
    }
    ensure!(summary["event"] == json!("summary") && summary["hits"] == json!(HITS.len()), "{summary}");
    Ok(())
}
