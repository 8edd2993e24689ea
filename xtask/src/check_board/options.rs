//! The options that `trapline board` has of probe-rs's, each right and wrong, and `trapline list`. What is wrong is said
//! with its name, its value and the way out.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use super::{Kind, tool::DESCRIPTION, tool::Tool};
use crate::{host::tether, simulator::Board, workspace};

/// A stop at once, so that a session that begins also ends.
const ONE_HIT: [&str; 4] = ["--gdb=none", "--break=one_round", "--on-stop=log", "--max-stops=1"];

/// Command lines that are refused before any board is asked: the status, and what must be said.
const REFUSED: [(&[&str], i32, &[&str]); 11] = [
    (&[], 2, &["--chip <NAME>"]),
    (&["--chip=nonsense"], 1, &["probe-rs knows no chip nonsense", "--chip-description-path"]),
    // A name of probe-rs's families, and what is in it.
    (&["--chip=BCM2711"], 1, &["probe-rs knows no chip BCM2711", "RaspberryPi4B"]),
    (&["--chip=STM32F4"], 1, &["--chip STM32F4 could be several chips", "STM32F4"]),
    (
        &["--chip=any", "--chip-description-path=/nonexistent/chip.yaml"],
        1,
        &["/nonexistent/chip.yaml cannot be read", "No such file"],
    ),
    (&["--chip=RaspberryPi4B", "--probe=zz"], 2, &["'zz' for '--probe", "VID:PID:SERIAL, in hexadecimal"]),
    (
        &["--chip=RaspberryPi4B", "--probe=20b7:9db1:tcp:127.0.0.1:1"],
        1,
        &["probe 20b7:9db1:tcp:127.0.0.1:1 cannot be opened", "`trapline list`"],
    ),
    (&["--chip=RaspberryPi4B", "--protocol=cjtag"], 2, &["'cjtag' for '--protocol", "write swd or jtag"]),
    (&["--chip=RaspberryPi4B", "--speed=fast"], 2, &["'fast' for '--speed <KHZ>'"]),
    (&["--chip=RaspberryPi4B", "--memory-ap=x"], 2, &["'x' for '--memory-ap", "access port, or core"]),
    (&["--chip=RaspberryPi4B", "--probe-timeout=0"], 2, &["'0' for '--probe-timeout"]),
];

/// What a board refuses, by the options beside those that are right.
const REFUSED_BY_BOARD: [(&[&str], &[&str]); 5] = [
    (
        &["--chip=simulated-elsewhere"],
        &[
            "cannot attach to simulated-elsewhere",
            "no Armv8-A debug unit at 0x80020000",
            "is --chip what is on the board?",
        ],
    ),
    (
        &["--chip=simulated-cortex-m", "--connect-under-reset"],
        &[
            "cannot attach to simulated-cortex-m",
            "core 0 answers no access",
            "is --chip what is on the board?",
        ],
    ),
    (
        &["--chip=simulated-armv8a", "--protocol=jtag"],
        &["--protocol JTAG is not for the probe Glasgow", "leave it out"],
    ),
    (
        &["--chip=simulated-armv8a", "--memory-ap=9"],
        &["access port 9 leads to no memory", "leave --memory-ap out"],
    ),
    (&["--chip=simulated-armv8a", "--chip-description-path=Cargo.toml"], &["Cargo.toml describes no chip"]),
];

/// What it takes.
const TAKEN: [&[&str]; 5] = [
    &["--chip=simulated-armv8a"],
    // Upper and lower case do not matter to probe-rs.
    &["--chip=SIMULATED-armv8a", "--protocol=SWD", "--speed=400"],
    &["--chip=simulated-armv8a", "--memory-ap=1"],
    &["--chip=simulated-armv8a", "--memory-ap=core"],
    &["--chip=simulated-armv8a", "--connect-under-reset"],
];

/// Checks all of it.
pub(super) fn check() -> Result<()> {
    let (status, said) = trapline(&["list"])?;
    ensure!(status == Some(0) && said.contains("probe") && said.contains("KVM"), "list says:\n{said}");
    let (status, said) = trapline(&["board", "--help"])?;
    for option in
        ["--chip", "--chip-description-path", "--probe", "--protocol", "--speed", "--connect-under-reset"]
    {
        ensure!(
            status == Some(0) && said.contains(&format!("{option} "))
                || said.contains(&format!("{option}\n")),
            "{option} is not in:\n{said}"
        );
    }
    for (arguments, wanted, texts) in REFUSED {
        let (status, said) = trapline(&[&["board"], arguments].concat())?;
        expect(arguments, (status, &said), wanted, texts)?;
    }

    let kind = Kind::Armv8a;
    let firmware = kind.firmware()?;
    let board = Board::start(kind.name(), "glasgow", &firmware)?;
    let probe = format!("--probe=20b7:9db1:tcp:127.0.0.1:{}", board.port());
    let description = format!("--chip-description-path={}", workspace::root().join(DESCRIPTION).display());
    let symbols = format!("--symbols={}", firmware.display());
    let on_board = |arguments: &[&str]| {
        let own = arguments.iter().any(|argument| argument.starts_with("--chip-description-path"));
        let description = if own { [].as_slice() } else { &[&*description] };
        trapline(&[&["board", &*probe, &*symbols], description, &ONE_HIT, arguments].concat())
    };
    for (arguments, texts) in REFUSED_BY_BOARD {
        let (status, said) = on_board(arguments)?;
        expect(arguments, (status, &said), 1, texts)?;
    }
    for arguments in TAKEN {
        let (status, said) = on_board(arguments)?;
        expect(arguments, (status, &said), 0, &["2 cores; 6 breakpoints", "1 hit in "])?;
    }

    // An Armv6-M core, whose program has no symbols.
    let small = Board::start_alone("cortex-m0", "glasgow")?;
    let probe = format!("--probe=20b7:9db1:tcp:127.0.0.1:{}", small.port());
    let arguments = ["board", &probe, &description, "--chip=simulated-cortex-m0", "--gdb=none"];
    let points = ["--break=0x08000106", "--watch=0x20000010:4:w", "--on-stop=log", "--max-stops=4"];
    let (status, said) = trapline(&[arguments.as_slice(), &points].concat())?;
    let texts = [
        "1 core; 4 breakpoints (BPU); 2 watchpoints",
        "hardware breakpoint",
        "write watchpoint",
        "4 hits in ",
    ];
    expect(&["an Armv6-M core"], (status, &said), 0, &texts)?;

    // A probe that another tool holds.
    let mut first =
        Tool::start(&board, kind, &firmware, &["--gdb=none", "--break=one_round", "--on-stop=log"])?;
    first.wait_for("hardware breakpoint 'one_round'")?;
    let (status, said) = on_board(&["--chip=simulated-armv8a", "--probe-timeout=2"])?;
    let held = ["the probe has not answered for 2 s", "cleared at the next attach"];
    expect(&["a second tool"], (status, &said), 1, &held)?;
    first.wait_for("hardware breakpoint 'one_round'")?;
    first.signal(Signal::INT)?;
    let (status, lines) = first.end()?;
    ensure!(status.code() == Some(130), "the first tool ended with {status}:\n{}", lines.join("\n"));
    Ok(())
}

fn expect(
    arguments: &[&str],
    (status, said): (Option<i32>, &str),
    wanted: i32,
    texts: &[&str],
) -> Result<()> {
    let missing = texts.iter().find(|&&text| !said.contains(text));
    ensure!(
        status == Some(wanted) && missing.is_none(),
        "{arguments:?} ends with {status:?} instead of {wanted}, or lacks {missing:?}, and says:\n{said}"
    );
    Ok(())
}

/// Runs the tool to its end; its status, and what it says.
fn trapline(arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let tool = workspace::build_here(&["--package=trapline-probe", "--bin=trapline"])?;
    let mut command: Command = tether::to_self(tool.as_os_str());
    command.args(arguments).current_dir(workspace::root()).stdin(Stdio::null());
    let output = command.output().context("cannot start trapline")?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
}
