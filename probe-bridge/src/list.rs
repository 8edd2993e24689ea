//! `trapline list`: what there is to debug with.

use std::process::ExitCode;

use anyhow::Result;

/// Says which debug probes there are, and what KVM offers.
#[expect(clippy::unnecessary_wraps, reason = "as the other commands")]
pub(crate) fn run() -> Result<ExitCode> {
    #[cfg(feature = "probe")]
    probes();
    #[cfg(feature = "kvm")]
    kvm();
    Ok(ExitCode::SUCCESS)
}

#[cfg(feature = "probe")]
fn probes() {
    let probes = probe_rs::probe::list::Lister::new().list_all();
    if probes.is_empty() {
        println!("no debug probe");
    }
    for probe in probes {
        println!("probe: {probe}");
    }
}

#[cfg(feature = "kvm")]
fn kvm() {
    use trapline_kvm::KvmCapabilities;
    let kvm = trapline_kvm::open(std::path::Path::new(crate::guest::KVM));
    match kvm.map(|kvm| KvmCapabilities::probe(&kvm)) {
        Ok(KvmCapabilities { breakpoints, watchpoints, .. }) => {
            println!("KVM: {breakpoints} breakpoints, {watchpoints} watchpoints for a guest");
        }
        Err(error) => println!("no KVM for guests of arm64: {error}"),
    }
}
