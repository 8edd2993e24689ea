//! Linux guests without a client: what the tool itself traps, on processors that are off when that is armed, and a shell
//! on the console.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::tool::Tool;

/// What is run.
#[derive(Args)]
pub(crate) struct Options {
    /// `trapline`
    tool: PathBuf,
    /// The guest's kernel
    #[arg(long)]
    kernel: PathBuf,
    /// An initial RAM disk with a shell
    #[arg(long)]
    initrd: PathBuf,
}

/// How many processors the guest has whose processors are looked at.
const PROCESSORS: usize = 8;
/// How long a guest may take until it is where it is waited for, on a machine that is busy with other things.
const BOOT: Duration = Duration::from_secs(300);

/// What is checked, and how.
type Check = (&'static str, fn(&Options) -> Result<()>);

const CHECKS: [Check; 3] = [
    ("a breakpoint by name in a kernel that moves", moves),
    ("breakpoints by name, hit on processors that were off", processors),
    ("a shell on the console, and the keys that are the tool's", shell),
];

/// Carries the command out.
pub(crate) fn run(options: &Options) -> Result<()> {
    for (name, check) in CHECKS {
        let begun = Instant::now();
        check(options).context(name)?;
        println!("{name} ({:.1} s)", begun.elapsed().as_secs_f64());
    }
    Ok(())
}

impl Options {
    fn guest(&self, serial: &str) -> Command {
        let mut command = Command::new(&self.tool);
        command.args(["guest", "--gdb", "none", "--memory", "256", "--serial", serial]);
        command.arg("--kernel").arg(&self.kernel).arg("--initrd").arg(&self.initrd);
        command.stdin(Stdio::null());
        command
    }
}

/// Its symbols have no addresses before it runs: that is said, instead of arming something that is never hit.
fn moves(options: &Options) -> Result<()> {
    let mut command = options.guest("/dev/null");
    command.args(["--cmdline", "console=ttyS0", "--break", "start_kernel"]);
    let mut tool = Tool::with_output(command)?;
    tool.ends_with(1)?;
    let all = tool.lines.join("\n");
    ensure!(all.contains("start_kernel") && all.contains("nokaslr on --cmdline"), "{all}");
    Ok(())
}

/// The first processor starts the kernel, and each of the others starts itself, once.
fn processors(options: &Options) -> Result<()> {
    let mut command = options.guest("/dev/null");
    command.arg(format!("--cpus={PROCESSORS}")).args(["--break", "start_kernel"]);
    command.args(["--break", "secondary_start_kernel", "--on-stop", "log"]);
    command.arg(format!("--max-stops={PROCESSORS}"));
    let mut tool = Tool::with_output(command)?;
    tool.wait_within("hits in ", BOOT)?;
    tool.ends_with(0)?;
    let on = |function: &str| -> Vec<usize> {
        let told = format!(": hardware breakpoint '{function}' at 0x");
        let hits = tool.lines.iter().filter_map(|line| line.split_once(&told)?.0.rsplit_once("core "));
        hits.filter_map(|(_, core)| core.parse().ok()).collect()
    };
    let (first, others) = (on("start_kernel"), on("secondary_start_kernel"));
    let different: BTreeSet<_> = others.iter().copied().collect();
    ensure!(
        first == [0] && others.len() == PROCESSORS - 1 && different == (1..PROCESSORS).collect(),
        "{:#?}",
        tool.lines
    );
    Ok(())
}

/// What is typed goes to the guest, which answers; Ctrl-A is for the tool.
fn shell(options: &Options) -> Result<()> {
    let mut command = options.guest("stdio");
    command.args(["--cmdline", "console=ttyS0 nokaslr quiet", "--keys"]);
    command.stdin(Stdio::piped());
    let mut tool = Tool::with_output(command)?;
    tool.wait_within("busybox on Linux", BOOT)?;
    tool.type_in(b"echo six times seven: $((6 * 7))\n")?;
    tool.wait_for("six times seven: 42")?;
    tool.type_in(b"\x01h")?;
    tool.wait_for("Ctrl-A x ends the guest")?;
    tool.type_in(b"\x01x")?;
    tool.ends_with(0)
}
