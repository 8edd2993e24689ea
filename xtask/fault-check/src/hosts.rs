//! What goes wrong on the host: signals, system calls that fail, outputs that nobody takes.

use std::collections::BTreeSet;
use std::ffi::{CString, OsStr};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::Signal;
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

use crate::Check;
use crate::clients::is_free;
use crate::programs;
use crate::tool::{Start, Tool, Tools};
use crate::wire::packet;

pub(crate) const CHECKS: &[Check] = &[
    ("signals that end the tool with all armed", signals),
    ("ioctls that fail before the guest runs", fail_early),
    ("ioctls that fail when the guest is to run", fail_late),
    ("--serial on a full disk", full_disk),
    ("standard output that is closed", closed_output),
    ("standard error that is closed", closed_error),
    ("a terminal that is closed", closed_terminal),
    ("no file is written but that of --serial", files),
];

fn signals(tools: &Tools) -> Result<String> {
    let guest = programs::counter();
    for (signal, status) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129), (Signal::QUIT, 131)]
    {
        for client_runs in [false, true] {
            let mut tool = tools.start(&guest)?;
            let mut wire = tool.client()?;
            wire.expect(&format!("Z0,{:x},4", guest.busy), "OK")?;
            wire.expect(&format!("Z1,{:x},4", guest.busy + 4), "OK")?;
            wire.go_on()?;
            if client_runs {
                wire.expect(&format!("z1,{:x},4", guest.busy + 4), "OK")?;
                wire.send(&packet(b"vCont;c"))?;
            }
            tool.signal(signal)?;
            tool.ends_with(status).with_context(|| format!("{signal:?}"))?;
            let left = tool.lines.iter().find(|line| line.contains("break instructions are left"));
            let left = left.with_context(|| format!("nothing is put back: {:#?}", tool.lines))?;
            ensure!(left.contains(" 0 break instructions"), "{left}");
        }
    }
    Ok("TERM, INT, HUP, QUIT: nothing is left in the guest".to_owned())
}

fn fail_early(tools: &Tools) -> Result<String> {
    let guest = programs::counter();
    // By its name, or that of the register that it is for.
    let ioctls = [
        ("KVM_CREATE_VCPU", "KVM_CREATE_VCPU failed"),
        ("KVM_SET_USER_MEMORY_REGION", "KVM_SET_USER_MEMORY_REGION failed"),
        ("KVM_GET_ONE_REG", "KVM does not give MPIDR_EL1"),
    ];
    for (ioctl, named) in ioctls {
        let start = Start { fails: Some(ioctl), ..Start::default() };
        let mut tool = Tool::spawn(tools.command(&guest, start)?)?;
        tool.ends_with(1).context(ioctl)?;
        let all = tool.lines.join("\n");
        ensure!(all.contains(named), "{ioctl} is not named: {all}");
    }
    Ok(format!("{} of them, each with its reason and exit status 1", ioctls.len()))
}

fn fail_late(tools: &Tools) -> Result<String> {
    let guest = programs::counter();
    // Registers are written back when the guest runs on.
    let ioctls = [
        ("KVM_SET_GUEST_DEBUG", "KVM_SET_GUEST_DEBUG failed"),
        ("KVM_RUN", "KVM_RUN failed"),
        ("KVM_SET_ONE_REG", "KVM does not take 0x"),
    ];
    for (ioctl, named) in ioctls {
        let start = Start { fails: Some(ioctl), ..Start::default() };
        let mut tool = tools.start_with(&guest, start)?;
        let mut wire = tool.client()?;
        wire.expect(&format!("Z1,{:x},4", guest.busy), "OK")?;
        // The target is lost; what the client hears of it is an error, the end of the guest, or of the connection.
        let answer = wire.ask("vCont;c");
        let heard = answer.as_deref().map_or(true, |text| text.starts_with('E') || text.starts_with('W'));
        ensure!(heard, "{ioctl}: the client is told {answer:?}");
        tool.ends_with(1).context(ioctl)?;
        let all = tool.lines.join("\n");
        ensure!(all.contains(named), "{ioctl} is not named: {all}");
    }
    Ok("the tool ends with 1 and names it".to_owned())
}

fn full_disk(tools: &Tools) -> Result<String> {
    const SIZE: u64 = 16 << 10;
    let disk = SmallDisk::mount(tools.directory().join("disk"), SIZE)?;
    let serial = disk.0.join("serial.log");
    let serial_name = serial.to_str().context("a name that is no text")?;
    let guest = programs::talks(0);
    let tool = tools.start_with(&guest, Start { serial: serial_name, ..Start::default() })?;
    let seen = talks_on(tool, guest.busy)?;
    let kept = fs::read(&serial)?;
    let all = kept.iter().all(|byte| *byte == b'x');
    ensure!(all && (SIZE / 2..=SIZE).contains(&(kept.len() as u64)), "{} bytes are kept", kept.len());
    Ok(format!("{seen}; {} KiB that had room are kept", kept.len() >> 10))
}

/// A file system in memory with little room; it goes with this.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(place: PathBuf, size: u64) -> Result<Self> {
        fs::create_dir(&place)?;
        let options = CString::new(format!("size={size}"))?;
        mount("tmpfs", &place, "tmpfs", MountFlags::empty(), options.as_c_str())
            .with_context(|| format!("a small disk needs root: no tmpfs at {}", place.display()))?;
        Ok(Self(place))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever has a file open there keeps it.
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// The guest goes on though nobody takes what it says, and that is said once.
fn talks_on(mut tool: Tool, busy: u64) -> Result<String> {
    for round in 0..2 {
        let mut wire = tool.client()?;
        wire.send(&packet(b"vCont;c"))?;
        if round == 0 {
            tool.wait_for("serial port is lost")?;
        } else {
            thread::sleep(Duration::from_millis(50));
        }
        wire.send(&[3])?;
        ensure!(wire.receive()?.starts_with("T02"));
        wire.expect(&format!("Z1,{busy:x},4"), "OK")?;
        ensure!(wire.go_on()?.pc == busy);
        wire.detach()?;
    }
    tool.signal(Signal::TERM)?;
    tool.ends_with(143)?;
    let told = tool.lines.iter().filter(|line| line.contains("serial port is lost")).count();
    ensure!(told == 1, "said {told} times: {:#?}", tool.lines);
    Ok("said once; the guest runs on and can be debugged".to_owned())
}

fn closed_output(tools: &Tools) -> Result<String> {
    let guest = programs::talks(0);
    let mut command = tools.command(&guest, Start { serial: "stdio", ..Start::default() })?;
    let (reader, writer) = std::io::pipe()?;
    command.stdout(writer);
    drop(reader);
    let tool = Tool::of(command)?;
    talks_on(tool, guest.busy)
}

/// A tool whose standard error has no reader any more.
fn without_error(tools: &Tools, arguments: &[&str]) -> Result<Tool> {
    let guest = programs::counter();
    let mut command = tools.command(&guest, Start { arguments, ..Start::default() })?;
    let (reader, writer) = std::io::pipe()?;
    command.stderr(writer);
    Tool::without_reader(command, reader)
}

fn closed_error(tools: &Tools) -> Result<String> {
    let guest = programs::counter();
    let mut tool = without_error(tools, &[])?;
    for _ in 0..2 {
        // It would say that the client is lost.
        let mut wire = tool.client()?;
        wire.expect(&format!("Z0,{:x},4", guest.busy), "OK")?;
        drop(wire);
        thread::sleep(Duration::from_millis(300));
        is_free(&tool, guest.busy, 0)?;
    }
    tool.signal(Signal::TERM)?;
    tool.ends_with(143)?;
    Ok("clients come and go, and the end is in order".to_owned())
}

fn closed_terminal(tools: &Tools) -> Result<String> {
    let guest = programs::talks(0);
    for running in [false, true] {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .context("there are no pseudo-terminals")?;
        unlockpt(&terminal)?;
        let name = ptsname(&terminal, Vec::new())?;
        let line =
            File::options().read(true).write(true).open(Path::new(OsStr::from_bytes(name.to_bytes())))?;
        // The tool leads a session of its own, whose terminal this is.
        let tool = tools.command(&guest, Start { serial: "stdio", ..Start::default() })?;
        let mut command = Command::new("setsid");
        command.arg("-c").arg(tool.get_program()).args(tool.get_args());
        command.stdin(line.try_clone()?).stdout(line.try_clone()?).stderr(line);
        let terminal = File::from(terminal);
        let mut tool = Tool::without_reader(command, &terminal)?;
        let mut wire = tool.client()?;
        wire.expect(&format!("Z0,{:x},4", guest.busy), "OK")?;
        wire.go_on()?;
        if running {
            wire.expect(&format!("z0,{:x},4", guest.busy), "OK")?;
            wire.send(&packet(b"vCont;c"))?;
        }
        drop(terminal);
        tool.ends_with(129)?;
    }
    Ok("ended by SIGHUP, with nobody to tell".to_owned())
}

fn files(tools: &Tools) -> Result<String> {
    let guest = programs::talks(16);
    let serial = tools.directory().join("serial.log");
    let serial_name = serial.to_str().context("a name that is no text")?;
    // So that the guest's file is there.
    drop(tools.command(&guest, Start::default())?);
    let before = all_files(Path::new("/"))?;
    let mut tool = tools.start_with(&guest, Start { serial: serial_name, ..Start::default() })?;
    let mut wire = tool.client()?;
    wire.ask("qRcmd,68656c70")?;
    ensure!(wire.receive()?.starts_with(['O', 'E']));
    drop(wire);
    tool.ends_with(0)?;
    let after = all_files(Path::new("/"))?;
    let new: Vec<_> = after.difference(&before).collect();
    ensure!(new == [&serial], "{new:?}");
    ensure!(fs::read(&serial)? == b"x".repeat(16));
    Ok("as it should be".to_owned())
}

/// All files but those that the kernel makes up.
fn all_files(directory: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        if ["/proc", "/sys", "/dev"].iter().any(|made_up| directory.starts_with(made_up)) {
            continue;
        }
        for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
            } else {
                files.insert(entry.path());
            }
        }
    }
    Ok(files)
}
