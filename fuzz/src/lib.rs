//! Fuzz targets: one module each, whose `check` takes raw input and panics where something is wrong.
//!
//! `cargo xtask fuzz` runs them all, with libFuzzer and coverage where there is a C++ compiler, else with
//! [`driver`]; `cargo fuzz run TARGET` works as well. `cargo test -p trapline-fuzz` feeds each of them its
//! corpus and the same pseudo-random inputs.

#![expect(clippy::panic, reason = "a target fails by a panic")]

pub mod aarch32;
pub mod breakpoint;
pub mod chip;
pub mod condition;
pub mod driver;
pub mod expression;
pub mod gdb_session;
pub mod gdb_stream;
pub mod injection;
pub mod kernel_image;
pub mod loader;
pub mod lookup;
pub mod m_profile;
pub mod pools;
pub mod register_id;
pub mod simulator;
pub mod software;
pub mod stepping;
pub mod symbols;
pub mod syndrome;
pub mod translation;
pub mod translation_aarch32;
pub mod watchpoint_plan;

/// The model of the comparators that the core's own tests use, written apart from the code it checks.
#[path = "../../core-nostd/tests/common/mod.rs"]
mod hardware;
/// Memory with break instructions in it, as the core's own tests have it.
#[path = "../../core-nostd/tests/planting/mod.rs"]
mod planting;
/// The target that the core's own tests of engine and server have.
#[path = "../../core-nostd/tests/debugger/recorder.rs"]
mod recorder;
/// Packets, as the core's own tests of the server have them.
#[path = "../../core-nostd/tests/debugger/wire.rs"]
mod wire;

use arbitrary::{Arbitrary, Unstructured};

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of its module, its libFuzzer program and its corpus.
    pub name: &'static str,
    /// Feeds it one input.
    pub check: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident)*) => {
        /// All targets.
        pub const TARGETS: &[Target] = &[$(Target { name: stringify!($name), check: $name::check },)*];
    };
}

targets! {
    aarch32
    breakpoint
    chip
    condition
    expression
    gdb_session
    gdb_stream
    injection
    kernel_image
    loader
    lookup
    m_profile
    pools
    register_id
    simulator
    software
    stepping
    symbols
    syndrome
    translation
    translation_aarch32
    watchpoint_plan
}

/// A structured input, or `None` where there are too few bytes for one.
fn read<'a, T: Arbitrary<'a>>(data: &'a [u8]) -> Option<T> {
    Unstructured::new(data).arbitrary().ok()
}

/// An address as comparators hold it: bits 63 to 48 alike.
fn canonical(address: u64) -> u64 {
    (((address << 15) as i64) >> 15) as u64
}

/// The entry point of a fuzz target: libFuzzer's with `cfg(fuzzing)`, else a hint.
#[cfg(fuzzing)]
#[macro_export]
macro_rules! fuzz_target {
    ($check:path) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $check(data));
    };
}

/// The entry point of a fuzz target: libFuzzer's with `cfg(fuzzing)`, else a hint.
#[cfg(not(fuzzing))]
#[macro_export]
macro_rules! fuzz_target {
    ($check:path) => {
        fn main() -> std::process::ExitCode {
            let _: fn(&[u8]) = $check;
            eprintln!("this target was built without libFuzzer; `cargo xtask fuzz` builds and runs it");
            std::process::ExitCode::FAILURE
        }
    };
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::driver::Mutator;

    /// Feeds a target its corpus, and inputs made of it by a fixed generator.
    fn feed(name: &str) {
        let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
        let mut seeds = Vec::new();
        for file in fs::read_dir(&corpus).expect("a corpus beside the target") {
            seeds.push(fs::read(file.expect("a file").path()).expect("a readable file"));
        }
        // The order of a directory is not fixed.
        seeds.sort();
        seeds.iter().for_each(|seed| (target.check)(seed));
        let mut mutator = Mutator::new(0x9e37_79b9_7f4a_7c15, seeds);
        for _ in 0..2_000 {
            (target.check)(mutator.next_input());
        }
    }

    macro_rules! tests {
        ($($name:ident)*) => { $(#[test] fn $name() { feed(stringify!($name)); })* };
    }

    tests! {
        aarch32 breakpoint chip condition expression gdb_session gdb_stream injection kernel_image loader lookup m_profile
        pools register_id simulator software stepping symbols syndrome
        translation translation_aarch32 watchpoint_plan
    }
}
