//! `cargo xtask core-image`: what is claimed of the core, read from programs that link all of it.

pub(crate) mod elf;
mod entries;
pub(crate) mod panics;

use std::{cmp::Reverse, collections::BTreeMap, fs, io::ErrorKind, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use self::elf::Elf;
use crate::{
    setup::{BARE_METAL_TARGET, Requirement, Setup},
    workspace,
};

/// Proves that no panic survives in the core, and measures it.
///
/// Builds `trapline-core-image`, bare-metal programs of the core's public entries: with everything, and, as
/// small as it gets, with more and more of the core.
#[derive(Args)]
pub(crate) struct Options {
    /// Show how much code each function of the core without the gdb server takes, the largest first
    #[arg(long)]
    functions: bool,
    /// Fetch nothing: where something is missing, say what, and how to get it by hand
    #[arg(long)]
    no_install: bool,
}

/// What is measured, each with all before it: the image's features, and how many bytes of code it may take.
const MEASURES: [Measure; 3] = [
    Measure { name: "encoders, syndromes, pools", features: "", limit: 31 * 1024 },
    Measure { name: "and steps, translation, expressions, engine", features: "engine", limit: 109 * 1024 },
    Measure { name: "and everything in words", features: "engine,text", limit: 134 * 1024 },
];
/// What the pools of a core with 16 + 16 pairs may take, in bytes of RAM.
const POOLS_LIMIT: u64 = 1024;
/// The static in the image that is as large as both pools together.
const POOLS: &str = "POOLS";
/// The function of the image that reaches all others, and is no part of the core.
const START: &str = "_start";
/// What copies and compares memory: every program has one copy of these, and so they are no part of the core
/// either.
const MEMORY: [&str; 6] = ["memcpy", "memmove", "memset", "memcmp", "bcmp", "compiler_builtins::mem::"];

/// The core, as rustdoc and symbols call it.
const CRATE: &str = "trapline_core";
const IMAGE: &str = "--package=trapline-core-image";
const EVERYTHING: &str = "--features=engine,text,derived,gdb,el2";

struct Measure {
    name: &'static str,
    features: &'static str,
    limit: u64,
}

/// Carries the command out.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    Setup::new(options.no_install).ensure(&[Requirement::BARE_METAL_TARGET])?;
    let mut failures = Vec::new();
    let missing = missing()?;
    if !missing.is_empty() {
        failures.push(format!("not in xtask/core-image, and so not proved:\n  {}", missing.join("\n  ")));
    }

    let everything = image(&["--profile=proof", EVERYTHING])?;
    failures.extend(panics_in("everything, opt-level 3", &everything));
    println!("code of the core for {BARE_METAL_TARGET}, opt-level z, every public entry linked:");
    for Measure { name, features, limit } in MEASURES {
        let (elf, code) = measured(features)?;
        println!("{code:8} bytes, {limit} at most: {name}");
        if code > limit {
            failures.push(format!("{name}: {code} bytes of code, more than {limit}"));
        }
        failures.extend(panics_in(&format!("{name}, opt-level z"), &elf));
        if features.contains("text") {
            let pools = elf.symbol(POOLS)?.size;
            println!("pools of 16 + 16 pairs: {pools} bytes of RAM, {POOLS_LIMIT} at most");
            if pools > POOLS_LIMIT {
                failures.push(format!("the pools are {pools} bytes, more than {POOLS_LIMIT}"));
            }
            print_areas(&elf);
            if options.functions {
                print_functions(&elf);
            }
        }
    }
    if !failures.is_empty() {
        bail!("{}", failures.join("\n"));
    }
    println!("no panic in any of them, nor with the gdb server at opt-level 3");
    Ok(ExitCode::SUCCESS)
}

/// How many bytes of code each part of the core takes, with all before it.
pub(crate) fn sizes() -> Result<Vec<(&'static str, u64)>> {
    MEASURES.iter().map(|measure| Ok((measure.name, measured(measure.features)?.1))).collect()
}

/// The image with these features, as small as it gets, and how many bytes of code of it are the core's.
fn measured(features: &str) -> Result<(Elf, u64)> {
    let elf = image(&["--profile=size", &format!("--features={features}")])?;
    let code = elf.section_size(".text")? - elf.symbol(START)?.size - memory_functions(&elf);
    Ok((elf, code))
}

fn panics_in(name: &str, elf: &Elf) -> Option<String> {
    let panics = panics::find(elf);
    (!panics.is_empty()).then(|| format!("panics in {name}:\n  {}", panics.join("\n  ")))
}

/// Entries of the core that the image lacks.
fn missing() -> Result<Vec<String>> {
    // Pages of what is no longer there stay for ever.
    let pages = workspace::target().join("doc").join(CRATE);
    match fs::remove_dir_all(&pages) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", pages.display()));
        }
        _ => {}
    }
    let mut documentation = workspace::cargo();
    documentation.args(["doc", "--package=trapline-core", "--no-deps", "--features=gdb,el2"]);
    workspace::quiet(&mut documentation)?;
    // Names that can be read back.
    let names = r#"--config=target.aarch64-unknown-none.rustflags=["-Csymbol-mangling-version=v0"]"#;
    let elf = image(&[EVERYTHING, names])?;
    let functions = elf.functions().map(|function| &*function.name);
    let missing = entries::missing(&pages, CRATE, functions)?;
    Ok(missing.iter().map(ToString::to_string).collect())
}

/// Builds the image and reads it.
fn image(options: &[&str]) -> Result<Elf> {
    Elf::read(&workspace::build(BARE_METAL_TARGET, &[&[IMAGE], options].concat())?)
}

/// Shows how much code each area of the core takes, the largest first.
fn print_areas(elf: &Elf) {
    let mut areas = BTreeMap::<String, u64>::new();
    for function in elf.functions() {
        *areas.entry(area(&function.name)).or_default() += function.size;
    }
    let mut areas: Vec<_> = areas.into_iter().collect();
    areas.sort_by_key(|(_, size)| Reverse(*size));
    for (area, size) in areas {
        println!("  {size:6} {area}");
    }
}

/// How much code copies and compares memory.
pub(crate) fn memory_functions(elf: &Elf) -> u64 {
    elf.functions().filter(|function| is_memory(&function.name)).map(|function| function.size).sum()
}

fn is_memory(name: &str) -> bool {
    MEMORY.iter().any(|memory| name == *memory || memory.ends_with("::") && name.starts_with(memory))
}

/// The area that a function belongs to.
fn area(name: &str) -> String {
    if is_memory(name) {
        return "copies of memory, which are not counted".to_owned();
    }
    let is_text = ["core::fmt::Display>", "core::fmt::Debug>"].iter().any(|text| name.contains(text));
    let rest = name.split_once("trapline_core::").map(|(_, rest)| rest);
    match rest.and_then(|rest| rest.split("::").next()) {
        Some(_) if is_text => "Display and Debug".to_owned(),
        Some(module) => module.to_owned(),
        None if name.contains("core::") => "the core library".to_owned(),
        None => "what functions share, and the image itself".to_owned(),
    }
}

fn print_functions(elf: &Elf) {
    let mut functions: Vec<_> = elf.functions().collect();
    functions.sort_by_key(|function| Reverse(function.size));
    for function in functions {
        println!("  {:6} {}", function.size, function.name);
    }
}
