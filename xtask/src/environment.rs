//! Which environment variables a program inside the host sees.

use std::ffi::OsString;

/// Prefixes of the variables that are handed in.
const PREFIXES: [&str; 4] = ["RUST_", "TRAPLINE_", "PROPTEST_", "LLVM_PROFILE_"];

/// The variables of this process that a program inside the host is given as well.
pub(crate) fn handed_in() -> Vec<(OsString, OsString)> {
    std::env::vars_os()
        .filter(|(name, _)| {
            name.to_str().is_some_and(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        })
        .collect()
}
