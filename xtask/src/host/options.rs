//! What a user can say of the host.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf, absolute},
    str::FromStr,
};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;

use crate::setup::KernelChoice;

/// Processors of the host, where nothing else is asked for.
const PROCESSORS: u32 = 2;

#[derive(Args, Clone, Default)]
#[group(skip)]
#[command(
    next_help_heading = "The emulated host (naming one of these asks for it, even on an arm64 machine)"
)]
pub(crate) struct HostOptions {
    /// Processor: max (VHE), cortex-a57 (nVHE), … [env: TRAPLINE_HOST_CPU] [default: max]
    #[arg(long = "host-cpu", alias = "cpu", value_name = "CPU")]
    cpu: Option<String>,
    /// Debian kernel: default, 6.1, 6.12, …, or an Image file [env: TRAPLINE_HOST_KERNEL]
    #[arg(long = "host-kernel", alias = "kernel", value_name = "VERSION|FILE")]
    kernel: Option<KernelChoice>,
    /// Number of processors [env: TRAPLINE_HOST_SMP] [default: 2]
    #[arg(long = "host-smp", alias = "smp", value_name = "N")]
    smp: Option<u32>,
    /// Memory in MiB [env: TRAPLINE_HOST_MEMORY] [default: 1024, more where files are large]
    #[arg(long = "host-memory", alias = "memory", value_name = "MIB")]
    memory: Option<u64>,
}

impl HostOptions {
    /// A host with that processor and kernel.
    pub(crate) fn of(cpu: &str, kernel: KernelChoice) -> Self {
        Self { cpu: Some(cpu.to_owned()), kernel: Some(kernel), ..Self::default() }
    }

    /// Adds what the environment says, so that it reaches the runner of `cargo test`.
    pub(crate) fn with_environment(self) -> Result<Self> {
        Ok(Self {
            cpu: or_environment(self.cpu, "TRAPLINE_HOST_CPU")?,
            kernel: or_environment(self.kernel, "TRAPLINE_HOST_KERNEL")?,
            smp: or_environment(self.smp, "TRAPLINE_HOST_SMP")?,
            memory: or_environment(self.memory, "TRAPLINE_HOST_MEMORY")?,
        })
    }

    /// Whether the machine that this runs on will do.
    pub(crate) fn fit_this_machine(&self) -> bool {
        self.cpu.is_none() && self.kernel.is_none() && self.smp.is_none() && self.memory.is_none()
    }

    /// The processor to emulate.
    pub(crate) fn cpu(&self) -> &str {
        self.cpu.as_deref().unwrap_or("max")
    }

    /// The kernel to boot.
    pub(crate) fn kernel(&self) -> KernelChoice {
        self.kernel.clone().unwrap_or_default()
    }

    /// How many processors to emulate.
    pub(crate) fn smp(&self) -> u32 {
        self.smp.unwrap_or(PROCESSORS)
    }

    /// The memory in MiB, where it was said.
    pub(crate) fn memory(&self) -> Option<u64> {
        self.memory
    }
}

fn or_environment<T: FromStr<Err: std::fmt::Display>>(given: Option<T>, name: &str) -> Result<Option<T>> {
    if given.is_some() {
        return Ok(given);
    }
    let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    let value = value.to_str().ok_or_else(|| anyhow!("{name} is not UTF-8"))?;
    value.parse().map(Some).map_err(|error| anyhow!("{name}={value}: {error}"))
}

/// A TCP port of a program that is carried out to 127.0.0.1.
#[derive(Clone, Copy)]
pub(crate) struct PortForward {
    /// The port on this machine; 0 until one is chosen.
    pub(crate) host: u16,
    /// The port inside the host.
    pub(crate) guest: u16,
    /// Whether the port on this machine was left to us.
    pub(crate) chosen: bool,
}

impl PortForward {
    /// Carries `guest` out to `host`, or to any free port where that is 0.
    pub(crate) fn new(host: u16, guest: u16) -> Self {
        Self { host, guest, chosen: host == 0 }
    }

    /// Carries a port out under its own number: `port`, or any that is free here where that is 0.
    pub(crate) fn same(port: u16) -> Result<Self> {
        let mut forward = Self::new(port, port);
        forward.choose()?;
        Ok(Self::new(forward.host, forward.host))
    }

    /// Chooses the port on this machine where that was left open, and refuses one that is in use.
    pub(crate) fn choose(&mut self) -> Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.host))
            .map_err(|error| anyhow!("port {} of 127.0.0.1: {error}; name another one", self.host))?;
        self.host = listener.local_addr()?.port();
        Ok(())
    }
}

impl FromStr for PortForward {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (host, guest) = text.split_once(':').context("expected HOST:GUEST, as in 0:1234")?;
        let port = |text: &str| text.parse().with_context(|| format!("`{text}` is no port number"));
        let (host, guest) = (port(host)?, port(guest)?);
        if guest == 0 {
            bail!("port 0 inside the host cannot be carried out");
        }
        Ok(Self::new(host, guest))
    }
}

/// A file of this machine that a program can read.
#[derive(Clone)]
pub(crate) struct MappedFile {
    /// The file on this machine.
    pub(crate) source: PathBuf,
    /// Its absolute path inside the host.
    pub(crate) destination: PathBuf,
}

impl MappedFile {
    /// A file that has the same path inside.
    pub(crate) fn in_place(path: &Path) -> Self {
        Self { source: path.to_owned(), destination: path.to_owned() }
    }
}

impl FromStr for MappedFile {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (source, destination) = text.split_once('=').unwrap_or((text, text));
        Ok(Self { source: absolute(source)?, destination: absolute(destination)? })
    }
}

/// A file that the program writes, copied out byte by byte as it is written.
#[derive(Clone)]
pub(crate) struct Stream {
    /// The absolute path inside the host.
    pub(crate) inside: PathBuf,
    /// The file on this machine, created or emptied.
    pub(crate) outside: PathBuf,
}

impl FromStr for Stream {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (inside, outside) = text.split_once('=').unwrap_or((text, text));
        Ok(Self { inside: absolute(inside)?, outside: absolute(outside)? })
    }
}
