//! `trapline symbols`: a file with a kernel's symbols and types for debuggers.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use trapline_kvm::kernel_image::unpack;
use trapline_probe::file::read;
use trapline_probe::linux::Kernel;
use trapline_probe::linux::image::KernelImage;
#[cfg(feature = "kvm")]
use trapline_probe::linux::monitor::LazyKernel;

use crate::cli::SymbolsArguments;

/// No kernel is larger, packed or unpacked, in bytes.
const LARGEST: u64 = 512 << 20;

/// A kernel out of a file, read when somebody asks for it.
#[cfg(feature = "kvm")]
pub(crate) fn read_when_needed(file: &Path) -> LazyKernel {
    let file = file.to_owned();
    LazyKernel::new(Box::new(move || {
        let read = || {
            let kernel = unpacked(&file)?;
            Kernel::read(&kernel).with_context(|| file.display().to_string())
        };
        read().map_err(|error| format!("{error:#}"))
    }))
}

/// An unpacked kernel.
fn unpacked(file: &Path) -> Result<Vec<u8>> {
    let packed = read(file, LARGEST)?;
    let unpacked = unpack(&packed, LARGEST).with_context(|| file.display().to_string())?;
    Ok(unpacked.into_owned())
}

/// Writes the file and says what is in it.
///
/// # Errors
/// Where the kernel cannot be read, or the file cannot be written.
pub(crate) fn run(arguments: &SymbolsArguments) -> Result<ExitCode> {
    let (kernel_file, output) = (arguments.kernel.display(), arguments.output.display());
    let unpacked = unpacked(&arguments.kernel)?;
    let kernel = Kernel::read(&unpacked).with_context(|| kernel_file.to_string())?;
    let image = KernelImage::new(&unpacked).with_context(|| kernel_file.to_string())?;
    let elf = kernel.to_elf(&image, arguments.kaslr)?;
    std::fs::write(&arguments.output, elf).with_context(|| format!("{output} cannot be written"))?;

    let symbols = kernel.symbols().symbols().len();
    let version = kernel.banner().unwrap_or("a kernel that does not say its version");
    match kernel.types() {
        Ok(types) => {
            writeln!(io::stdout(), "{output}: {symbols} symbols, {} types, {version}", types.len())?;
        }
        Err(error) => {
            writeln!(io::stdout(), "{output}: {symbols} symbols, no types, {version}")?;
            say!("trapline: {kernel_file}: {error}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
