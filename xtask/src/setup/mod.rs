//! What a command needs of the machine it runs on: checked first, said, then fetched, once.

mod apt;
mod archive;
mod beside;
mod debian_rust;
mod host_files;
mod inside;
mod miri;
mod modules;
mod progress;
mod rust;

use std::{fmt::Write as _, fs::File, path::Path};

use anyhow::{Context as _, Result, anyhow};

use self::apt::Program;
pub(crate) use self::{
    host_files::{HostFiles, KernelChoice},
    inside::{GDB, Inside, QEMU},
    miri::Miri,
    rust::TargetBuild,
};
use crate::{host::EMULATOR, workspace};

/// The target of programs for the KVM host.
pub(crate) const HOST_TARGET: &str = "aarch64-unknown-linux-musl";
/// The target of bare-metal programs, the firmware among them.
pub(crate) const BARE_METAL_TARGET: &str = "aarch64-unknown-none";
/// The target of bare-metal programs without floating point: hypervisors and kernels.
pub(crate) const SOFT_FLOAT_TARGET: &str = "aarch64-unknown-none-softfloat";
/// The target of programs for Cortex-M.
pub(crate) const CORTEX_M_TARGET: &str = "thumbv7em-none-eabihf";
/// The target of programs for an EL1 that uses AArch32.
pub(crate) const AARCH32_TARGET: &str = "armv7a-none-eabi";

/// One thing that a command needs.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Requirement {
    /// A program of a Debian package.
    Program(Program),
    /// The standard library for a target.
    RustTarget(&'static str),
    /// A component of the toolchain, and a file that it brings beside `rustc`.
    RustComponent {
        /// Its name for rustup.
        component: &'static str,
        /// Its program.
        program: &'static str,
    },
    /// Miri, which comes with nightly toolchains only, and the sources of the standard library for it.
    Miri,
    /// Kernel and tools of the emulated host, or of a guest.
    HostFiles(KernelChoice),
    /// A program to run inside the host.
    Inside(Inside),
}

impl Requirement {
    /// The emulator of the arm64 host.
    pub(crate) const EMULATOR: Self = Self::Program(Program { name: EMULATOR, package: "qemu-system-arm" });
    /// The debugger.
    pub(crate) const GDB: Self = Self::Program(Program { name: "gdb-multiarch", package: "gdb-multiarch" });
    /// The other debugger.
    pub(crate) const LLDB: Self = Self::Program(Program { name: "lldb", package: "lldb" });
    /// The debugger that the simulated boards are tried with.
    pub(crate) const OPENOCD: Self = Self::Program(Program { name: "openocd", package: "openocd" });
    /// The tools for object files of arm64.
    pub(crate) const BINUTILS: Self =
        Self::Program(Program { name: "aarch64-linux-gnu-addr2line", package: "binutils-aarch64-linux-gnu" });
    /// A C++ compiler, for libFuzzer.
    pub(crate) const CXX: Self = Self::Program(Program { name: "c++", package: "g++" });
    /// The program that counts instructions.
    pub(crate) const VALGRIND: Self = Self::Program(Program { name: "valgrind", package: "valgrind" });
    /// Standard library of programs for the host.
    pub(crate) const HOST_TARGET: Self = Self::RustTarget(HOST_TARGET);
    /// Core library of bare-metal programs.
    pub(crate) const BARE_METAL_TARGET: Self = Self::RustTarget(BARE_METAL_TARGET);
    /// Core library of bare-metal programs without floating point.
    pub(crate) const SOFT_FLOAT_TARGET: Self = Self::RustTarget(SOFT_FLOAT_TARGET);
    /// Core library of Cortex-M programs.
    pub(crate) const CORTEX_M_TARGET: Self = Self::RustTarget(CORTEX_M_TARGET);
    /// Core library of programs for an EL1 that uses AArch32.
    pub(crate) const AARCH32_TARGET: Self = Self::RustTarget(AARCH32_TARGET);

    fn is_met(&self) -> Result<bool> {
        Ok(match self {
            Self::Program(program) => workspace::find_program(program.name).is_some(),
            Self::RustTarget(target) => rust::has_target(target)?,
            Self::RustComponent { program, .. } => rust::has_program(program),
            Self::Miri => Miri::is_there(),
            Self::HostFiles(kernel) => HostFiles::are_there(kernel),
            Self::Inside(program) => program.is_there(),
        })
    }

    fn name(&self) -> String {
        match self {
            Self::Program(Program { name, package }) => format!("{name} (Debian package {package})"),
            Self::RustTarget(target) => format!("Rust target {target}"),
            Self::RustComponent { component, .. } => format!("Rust component {component}"),
            Self::Miri => "Miri, with a nightly Rust toolchain".to_owned(),
            Self::HostFiles(kernel) => format!("files of the emulated arm64 host ({})", kernel.description()),
            Self::Inside(program) => program.name.to_owned(),
        }
    }

    fn failed(&self, error: &anyhow::Error) -> anyhow::Error {
        anyhow!("cannot get {}: {error:#}\n  by hand: {}", self.name(), self.by_hand())
    }

    /// The command that does it by hand.
    fn by_hand(&self) -> String {
        match self {
            Self::Program(program) => apt::by_hand(&[program.package]),
            Self::RustTarget(target) => format!("rustup target add {target}"),
            Self::RustComponent { component, .. } => format!("rustup component add {component}"),
            Self::Miri => Miri::BY_HAND.to_owned(),
            Self::HostFiles(kernel) => HostFiles::by_hand(kernel),
            Self::Inside(program) => program.by_hand(),
        }
    }
}

/// Meets requirements, or only checks them.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    only_check: bool,
}

impl Setup {
    /// With `only_check`, nothing is fetched.
    pub(crate) fn new(only_check: bool) -> Self {
        Self { only_check }
    }

    /// Makes sure that all of `requirements` are met.
    pub(crate) fn ensure(self, requirements: &[Requirement]) -> Result<()> {
        if missing(requirements)?.is_empty() {
            return Ok(());
        }
        if self.only_check {
            return Err(say_what_is_missing(&missing(requirements)?));
        }
        let _lock = lock()?;
        // Another command may have fetched it while this one waited.
        let missing = missing(requirements)?;
        eprintln!("missing, and fetched now:");
        for requirement in &missing {
            eprintln!("  {}", requirement.name());
        }
        let programs: Vec<_> = missing
            .iter()
            .filter_map(|requirement| match requirement {
                Requirement::Program(program) => Some(*program),
                _ => None,
            })
            .collect();
        if !programs.is_empty() {
            apt::provide(&programs).map_err(|error| {
                let packages: Vec<_> = programs.iter().map(|program| program.package).collect();
                let by_hand = apt::by_hand(&packages);
                anyhow!("cannot install {}: {error:#}\n  by hand: {by_hand}", packages.join(" "))
            })?;
        }
        for requirement in &missing {
            match requirement {
                Requirement::Program(_) => Ok(()),
                Requirement::RustTarget(target) => rust::add_target(target),
                Requirement::RustComponent { component, .. } => rust::add_component(component),
                Requirement::Miri => Miri::add(),
                Requirement::HostFiles(kernel) => HostFiles::fetch(kernel),
                Requirement::Inside(program) => program.fetch(),
            }
            .map_err(|error| requirement.failed(&error))?;
        }
        if let Some(requirement) = missing.iter().find(|requirement| !requirement.is_met().unwrap_or(false)) {
            return Err(requirement.failed(&anyhow!("it is missing still")));
        }
        Ok(())
    }
}

fn missing(requirements: &[Requirement]) -> Result<Vec<Requirement>> {
    let mut missing = Vec::new();
    for requirement in requirements {
        if !missing.contains(requirement) && !requirement.is_met()? {
            missing.push(requirement.clone());
        }
    }
    Ok(missing)
}

fn say_what_is_missing(missing: &[Requirement]) -> anyhow::Error {
    let mut text = "this is missing, and was not to be installed:".to_owned();
    for requirement in missing {
        // Writing into a string cannot fail.
        let _ = write!(text, "\n  {}\n    by hand: {}", requirement.name(), requirement.by_hand());
    }
    anyhow::Error::msg(text)
}

/// Held while something is fetched, so that two commands do not fetch it both.
fn lock() -> Result<File> {
    let path = workspace::cache().join("lock");
    let cannot = || format!("cannot lock {}", path.display());
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).with_context(cannot)?;
    let file = File::create(&path).with_context(cannot)?;
    file.lock().with_context(cannot)?;
    Ok(file)
}
