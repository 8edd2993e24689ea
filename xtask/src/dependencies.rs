//! `cargo xtask dependencies`: what the project takes from others, held to its own rules.

use std::{collections::BTreeSet, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, Package};
use clap::Args;
use spdx::{Expression, LicenseReq};

use crate::workspace;

/// Checks what the packages depend on: where it comes from, under which licence, and that the core depends on
/// little.
///
/// Known vulnerabilities are not looked up: their list is not part of any package registry.
#[derive(Args)]
pub(crate) struct Options {}

/// Licences that a program under MIT or Apache-2.0 can be built with. Where a package offers several, one of
/// them suffices.
const LICENCES: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "NCSA",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
/// Packages under another licence, each with the reason why it will do.
const EXCEPTIONS: [(&str, &str, &str); 3] = [
    ("alterable_logger", "MPL-2.0", "of defmt's decoder, in xtask alone; it binds its own files only"),
    ("colored", "MPL-2.0", "of defmt's decoder, in xtask alone; it binds its own files only"),
    ("serialport", "MPL-2.0", "of probe-rs, behind the feature probe; it binds its own files only"),
];
/// Where every package comes from that is not the workspace's own.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The package that others build into a hypervisor.
const CORE: &str = "trapline-core";
/// All that it may depend on, with every feature.
const CORES_OWN: [&str; 3] = ["bitfield-struct", "defmt", "heapless"];

/// Carries the command out.
pub(crate) fn run(_: &Options) -> Result<ExitCode> {
    let mut command = MetadataCommand::new();
    command.manifest_path(workspace::root().join("Cargo.toml")).features(CargoOpt::AllFeatures);
    let metadata = command.other_options(["--locked".to_owned()]).exec().context("cargo metadata failed")?;
    let foreign: Vec<_> = metadata.packages.iter().filter(|package| package.source.is_some()).collect();
    let mut wrong: Vec<_> = foreign.iter().filter_map(|package| wrong_with(package)).collect();
    wrong.extend(wrong_with_core(&metadata)?);
    if !wrong.is_empty() {
        bail!("dependencies that break the rules of xtask/src/dependencies.rs:\n  {}", wrong.join("\n  "));
    }
    println!("{} packages of others, all from crates.io, all licences compatible", foreign.len());
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with somebody else's package.
fn wrong_with(package: &Package) -> Option<String> {
    let Package { name, version, source, license, .. } = package;
    if source.as_ref().is_none_or(|source| source.repr != REGISTRY) {
        return Some(format!("{name} {version} comes from {source:?}, not from crates.io"));
    }
    let Some(licence) = license else {
        return Some(format!("{name} {version} names no licence"));
    };
    // `MIT/Apache-2.0`, as older packages write it, is no SPDX expression.
    let expression = licence.replace('/', " OR ");
    match Expression::parse(&expression) {
        Err(_) => Some(format!("{name} {version} has a licence that is no SPDX expression: {licence}")),
        Ok(expression) if expression.evaluate(is_compatible) => None,
        Ok(_) if EXCEPTIONS.iter().any(|(package, known, _)| name == package && licence == known) => None,
        Ok(_) => Some(format!("{name} {version} has the licence {licence}")),
    }
}

/// Whether a licence is among those that are. An exception only ever permits more.
fn is_compatible(requirement: &LicenseReq) -> bool {
    requirement.license.id().is_some_and(|id| LICENCES.contains(&id.name))
}

/// What the core depends on beyond what it may.
fn wrong_with_core(metadata: &Metadata) -> Result<Vec<String>> {
    let core = metadata.packages.iter().find(|package| *package.name == CORE);
    let core = core.with_context(|| format!("the workspace has no package {CORE}"))?;
    let normal = core.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    let names: BTreeSet<_> = normal.map(|dependency| dependency.name.as_str()).collect();
    let beyond = names.into_iter().filter(|name| !CORES_OWN.contains(name));
    Ok(beyond.map(|name| format!("{CORE} depends on {name}, and is to depend on little")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_of_several_suffices_and_all_of_them_are_looked_at() {
        let fits = |text: &str| Expression::parse(text).unwrap().evaluate(is_compatible);
        assert!(fits("MIT OR GPL-2.0-only"));
        assert!(fits("Apache-2.0 WITH LLVM-exception"));
        assert!(fits("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!fits("GPL-2.0-only"));
        assert!(!fits("MIT AND GPL-3.0-or-later"));
    }
}
