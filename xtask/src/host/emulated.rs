//! A host that QEMU emulates: a machine with EL2, Debian's kernel, and an init that runs one program.
//!
//! Each stream of the program has a port of a virtio serial device, whose other end is a socket that this
//! process holds; a further port carries control messages (see `init.sh`).

use std::{
    ffi::OsString,
    fs::{self, DirEntry, File},
    os::{
        fd::{AsFd, AsRawFd as _},
        unix::process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc::channel,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::io::{FdFlags, fcntl_setfd};

use super::{
    HostOptions, Program, Running, check_kernel,
    initramfs::{Initramfs, quoted},
    marker::Marker,
    ports::Ports,
    supervisor, tether, vm_holder, watch,
};
use crate::{setup::HostFiles, workspace};

/// The program that emulates.
pub(crate) const EMULATOR: &str = "qemu-system-aarch64";

const INIT: &str = include_str!("init.sh");

/// What a program finds free when nothing is said of memory, in MiB, beside the kernel and the files.
const USUAL_MEMORY: u64 = 1024;
/// What kernel and init need at the least, in MiB, beside the kernel image and the files.
const LEAST_MEMORY: u64 = 96;

/// The processors that the machine can have and that have no AArch64 state.
const WITHOUT_AARCH64: [&str; 2] = ["cortex-a7", "cortex-a15"];

/// How long the console of a host that failed is kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Boots a machine to run `program`, once all that can be checked before has been.
pub(crate) fn start(options: &HostOptions, program: Program) -> Result<Running> {
    let cpu = options.cpu();
    if WITHOUT_AARCH64.contains(&cpu.split(',').next().unwrap_or(cpu)) {
        bail!(
            "`{cpu}` is a 32-bit processor, and KVM for arm64 needs a 64-bit one: try --host-cpu cortex-a57"
        );
    }
    let files = HostFiles::find(&options.kernel())?;
    let kernel_size = check_kernel(&files.kernel)?;
    let marker = Marker::random()?;
    let (ports, outside) = Ports::new(&program)?;
    let initramfs = initramfs(&files, &program, &ports, &marker)?;
    let memory = memory(options, kernel_size, initramfs.metadata()?.len(), program.memory)?;
    let log = console_log()?;

    let mut command = tether::to_self(&workspace::program(EMULATOR));
    add_machine(&mut command, options, memory, &log);
    command.arg("-kernel").arg(&files.kernel).arg("-initrd").arg(inherited(&initramfs)?);
    // The other processors are switched on by init.
    command.args(["-append", "console=ttyAMA0 quiet rdinit=/init panic=-1 maxcpus=1"]);
    add_network(&mut command, &program);
    ports.add_to(&mut command)?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());

    let (events, received) = channel();
    let signals = supervisor::signals(&events)?;
    // A terminal's Ctrl-C is for this process, which then ends the emulator.
    let child = command.process_group(0).spawn().context("cannot start the emulator")?;
    // Only the emulator may hold its ends now, or their other ends would not see it die.
    drop((ports, initramfs));
    let watched = watch::Machine { child, log, cpu: options.cpu().to_owned() };
    let stopper = watch::start(watched, outside, program.output, marker, events, signals)?;
    Ok(Running { events: received, forwards: program.forwards, stopper })
}

fn add_machine(command: &mut Command, options: &HostOptions, memory: u64, log: &Path) {
    // Emulated pointer authentication in the architected algorithm is slow; only `max` can choose.
    let cpu = if options.cpu() == "max" { "max,pauth-impdef=on" } else { options.cpu() };
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    command.args(["-machine", "virt,virtualization=on,gic-version=3", "-cpu", cpu]);
    command.arg("-smp").arg(options.smp().to_string());
    command.arg("-m").arg(memory.to_string());
    let mut serial = OsString::from("file:");
    serial.push(log);
    command.arg("-serial").arg(serial);
}

/// The memory to give the machine, in MiB, with an archive of that many bytes and a program that takes
/// `wanted` MiB.
fn memory(options: &HostOptions, kernel_size: u64, archive: u64, wanted: u64) -> Result<u64> {
    // The archive is there twice while the kernel unpacks it.
    let occupied = (kernel_size + 2 * archive).div_ceil(1 << 20);
    let least = occupied + LEAST_MEMORY + wanted;
    match options.memory() {
        Some(memory) if memory < least => bail!(
            "{memory} MiB of memory are too little for the emulated host: its kernel and files take {least} \
             MiB; give --host-memory {least} or more"
        ),
        Some(memory) => Ok(memory),
        None => Ok(USUAL_MEMORY.max(occupied + wanted + USUAL_MEMORY / 2)),
    }
}

/// The file system of the machine.
fn initramfs(files: &HostFiles, program: &Program, ports: &Ports, marker: &Marker) -> Result<File> {
    let file = tempfile::tempfile_in(workspace::directory("run")?).context("cannot write the initramfs")?;
    let mut archive = Initramfs::new(file)?;
    archive.content(Path::new("/init"), 0o755, INIT.as_bytes())?;
    archive.file(&files.busybox, Path::new("/bin/busybox"))?;
    archive.content(Path::new("/trapline/vm-holder"), 0o755, &vm_holder::program())?;
    for (kind, modules) in [("console", &files.console), ("network", &files.network)] {
        for (number, module) in modules.iter().enumerate() {
            archive.file(module, Path::new(&format!("/trapline/modules/{kind}/{number:02}.ko")))?;
        }
    }
    for file in &program.files {
        archive.file(&file.source, &file.destination)?;
    }
    let here = std::env::current_dir().context("the current directory is gone")?;
    archive.directory(&here)?;
    archive.content(Path::new("/trapline/run"), 0o644, &script(program, ports, marker, &here))?;
    archive.finish()
}

/// The part of init that is of this run.
fn script(program: &Program, ports: &Ports, marker: &Marker, directory: &Path) -> Vec<u8> {
    let network = if program.forwards.is_empty() { "" } else { "yes" };
    let mut script = format!(
        "end='{}'\nerror_port={}\nlast_port={}\nnetwork={network}\n",
        marker.text(),
        ports.error(),
        ports.last()
    )
    .into_bytes();
    script.extend_from_slice(&ports.streams_function());
    script.extend_from_slice(b"program() {\ncd ");
    script.extend(quoted(directory.as_os_str()));
    for (name, value) in &program.environment {
        script.extend_from_slice(b"\nexport ");
        let mut assignment = name.clone();
        assignment.push("=");
        assignment.push(value);
        script.extend(quoted(&assignment));
    }
    script.extend_from_slice(b"\nexec");
    for word in &program.command {
        script.push(b' ');
        script.extend(quoted(word));
    }
    script.extend_from_slice(b"\n}\n");
    script
}

/// A path under which a child process finds an open file of this one.
fn inherited(file: &impl AsFd) -> Result<String> {
    let file = file.as_fd();
    fcntl_setfd(file, FdFlags::empty()).context("cannot hand a file to the emulator")?;
    Ok(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn add_network(command: &mut Command, program: &Program) {
    if program.forwards.is_empty() {
        return;
    }
    let mut backend = "user,id=network,restrict=on,ipv6=off".to_owned();
    for forward in &program.forwards {
        backend.push_str(&format!(",hostfwd=tcp:127.0.0.1:{}-10.0.2.15:{}", forward.host, forward.guest));
    }
    command.args(["-netdev", &backend, "-device", "virtio-net-device,netdev=network"]);
}

/// The file for the console of the host's kernel. It is removed again when all went well; what was left
/// behind otherwise, when it is a day old.
fn console_log() -> Result<PathBuf> {
    let is_old = |log: &DirEntry| {
        let modified = log.metadata().and_then(|metadata| metadata.modified()).ok();
        modified.and_then(|time| time.elapsed().ok()).is_some_and(|age| age > KEPT)
    };
    for log in fs::read_dir(workspace::directory("log")?)?.filter_map(Result::ok).filter(is_old) {
        // Another command may have removed it.
        let _ = fs::remove_file(log.path());
    }
    workspace::log(&format!("host-console-{}.log", std::process::id()))
}
