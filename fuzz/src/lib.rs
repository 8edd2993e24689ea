//! Fuzz targets: one module each, whose `check` takes raw input and panics where something is wrong.
//!
//! `cargo fuzz run TARGET` drives them with libFuzzer; `cargo test -p trapline-fuzz` feeds each of them
//! the same pseudo-random inputs on a stable compiler.

pub mod syndrome;
pub mod translation;
pub mod watchpoint_plan;

/// The entry point of a fuzz target: libFuzzer's under `cargo fuzz`, else a hint.
#[cfg(fuzzing)]
#[macro_export]
macro_rules! fuzz_target {
    ($check:path) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $check(data));
    };
}

/// The entry point of a fuzz target: libFuzzer's under `cargo fuzz`, else a hint.
#[cfg(not(fuzzing))]
#[macro_export]
macro_rules! fuzz_target {
    ($check:path) => {
        fn main() -> std::process::ExitCode {
            let _: fn(&[u8]) = $check;
            eprintln!("this target was built without libFuzzer; build and run it with `cargo fuzz run`");
            std::process::ExitCode::FAILURE
        }
    };
}

#[cfg(test)]
mod tests {
    /// Feeds a target inputs of all lengths up to 512 bytes, from a fixed generator.
    fn feed(check: fn(&[u8])) {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for round in 0..20_000 {
            let input: Vec<u8> = (0..round % 512)
                .map(|_| {
                    // xorshift64.
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state.to_le_bytes()[3]
                })
                .collect();
            check(&input);
        }
    }

    #[test]
    fn syndrome() {
        feed(crate::syndrome::check);
    }

    #[test]
    fn translation() {
        feed(crate::translation::check);
    }

    #[test]
    fn watchpoint_plan() {
        feed(crate::watchpoint_plan::check);
    }
}
