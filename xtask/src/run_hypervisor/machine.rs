//! The machine that the hypervisor runs on, and what is in its memory.

use std::{fs, io::Write as _, path::Path};

use anyhow::{Context as _, Result, ensure};
use object::{Object as _, ObjectSegment as _};
use tempfile::NamedTempFile;

use super::log;
use crate::{
    host::{EMULATOR, PortForward, Running, start_child, tether},
    workspace,
};

/// Where the RAM of each guest is in the machine; see `stage2.rs` of the hypervisor.
const GUESTS: [u64; 2] = [0x4400_0000, 0x4600_0000];
/// Where a guest sees its RAM, and begins.
const GUEST_RAM: u64 = 0x4000_0000;

/// A machine that has been started.
pub(super) struct Machine {
    pub(super) running: Running,
    /// Where gdb reaches its UART.
    pub(super) address: String,
    /// What the guests begin with, needed until they do.
    pub(super) image: NamedTempFile,
}

/// Starts the machine.
pub(super) fn start(hypervisor: &Path, firmware: &Path, log: &Path, port: u16) -> Result<Machine> {
    let image = flat_image(firmware)?;
    let mut port = PortForward::new(port, port);
    port.choose()?;
    let address = format!("127.0.0.1:{}", port.host);

    let mut command = tether::to_self(&workspace::program(EMULATOR));
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    command.args([
        "-machine",
        "virt,virtualization=on,gic-version=3",
        "-cpu",
        "max",
        "-smp",
        "2",
        "-m",
        "128",
    ]);
    command.arg("-kernel").arg(hypervisor);
    for guest in GUESTS {
        let loader = format!("loader,addr={guest:#x},force-raw=on,file={}", image.path().display());
        command.args(["-device", &loader]);
    }
    command.args(["-serial", &format!("tcp:{address},server=on,wait=off")]);
    // The log comes on standard output.
    command.args(["-chardev", "stdio,id=log,signal=off"]);
    command.args(["-semihosting-config", "enable=on,target=native,chardev=log"]);

    let reader = log::Reader::new(hypervisor, log)?;
    let running = start_child(command, move |output, events| reader.start(output, events))?;
    Ok(Machine { running, address, image })
}

/// The firmware as it lies in a guest's RAM: the machine loads bytes, not ELF files, where it loads the
/// same twice.
fn flat_image(firmware: &Path) -> Result<NamedTempFile> {
    let cannot = || format!("cannot read {}", firmware.display());
    let data = fs::read(firmware).with_context(cannot)?;
    let file = object::File::parse(&*data).with_context(cannot)?;
    ensure!(file.entry() == GUEST_RAM, "the firmware begins at {:#x}, not at {GUEST_RAM:#x}", file.entry());
    let mut image = Vec::new();
    for segment in file.segments() {
        let bytes = segment.data()?;
        let start =
            segment.address().checked_sub(GUEST_RAM).context("the firmware lies below a guest's RAM")?;
        let start = usize::try_from(start)?;
        let end = start + bytes.len();
        if image.len() < end {
            image.resize(end, 0);
        }
        image.get_mut(start..end).context("a segment ends before it begins")?.copy_from_slice(bytes);
    }
    let mut file =
        NamedTempFile::new_in(workspace::directory("run")?).context("cannot write the firmware's image")?;
    file.write_all(&image).with_context(|| format!("cannot write {}", file.path().display()))?;
    Ok(file)
}
