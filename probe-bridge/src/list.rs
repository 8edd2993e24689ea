//! `trapline list`: what there is to debug with.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;

/// Says which debug probes there are, and what KVM offers.
///
/// # Errors
/// Where nobody takes the answer.
pub(crate) fn run() -> Result<ExitCode> {
    let mut out = io::stdout().lock();
    #[cfg(feature = "probe")]
    probes(&mut out)?;
    #[cfg(feature = "kvm")]
    kvm(&mut out)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(feature = "probe")]
fn probes(out: &mut impl Write) -> io::Result<()> {
    let probes = probe_rs::probe::list::Lister::new().list_all();
    if probes.is_empty() {
        writeln!(out, "no debug probe")?;
    }
    for probe in probes {
        writeln!(out, "probe: {probe}")?;
    }
    Ok(())
}

#[cfg(feature = "kvm")]
fn kvm(out: &mut impl Write) -> io::Result<()> {
    use trapline_kvm::KvmCapabilities;
    let kvm = trapline_kvm::open(std::path::Path::new(crate::guest::KVM));
    match kvm.map(|kvm| KvmCapabilities::probe(&kvm)) {
        Ok(KvmCapabilities { breakpoints, watchpoints, .. }) => {
            writeln!(out, "KVM: {breakpoints} breakpoints, {watchpoints} watchpoints for a guest")
        }
        Err(error) => writeln!(out, "no KVM for guests of arm64: {error}"),
    }
}
