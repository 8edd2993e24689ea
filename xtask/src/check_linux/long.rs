//! `cargo xtask check-linux --long`: a Linux guest under random debugger actions.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

use crate::check_faults;
use crate::host::Host;
use crate::run_guest::{build, linux};
use crate::setup::{HostFiles, KernelChoice};

/// PID 1 of the guest.
const INIT: &str = include_str!("long.sh");

/// The kernel, which is the release's: it is there for the emulated host as well.
pub(super) const KERNEL: KernelChoice = KernelChoice::Release;

/// Runs it for some time, from a seed or another one each day.
pub(super) fn run(host: &Host, seconds: u64, seed: Option<u64>) -> Result<ExitCode> {
    let (tool, check) = (build::tool()?, check_faults::program()?);
    let kernel = HostFiles::find(&KERNEL)?.kernel;
    let symbols = linux::symbols(&kernel)?.context("the kernel has no symbols")?;
    let initrd = linux::initramfs("guest-long.cpio", INIT, &[])?;
    let seed = match seed {
        Some(seed) => seed,
        None => SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    };
    println!("seed {seed}");
    let mut command: Vec<OsString> = vec![check.as_os_str().into(), "long".into(), tool.as_os_str().into()];
    for (option, file) in [("--kernel", &kernel), ("--symbols", &symbols), ("--initrd", &initrd)] {
        command.extend([option.into(), file.as_os_str().into()]);
    }
    command.extend([format!("--seconds={seconds}").into(), format!("--seed={seed}").into()]);
    check_faults::run_to_end(host, command, &[&check, &tool, &kernel, &symbols, &initrd], MEMORY)
}

/// What the guest and the tool take, in MiB.
const MEMORY: u64 = 512;
