//! Panics that survive in a program.

use super::elf::{Elf, Symbol};

/// Functions that may refer to a panic, each with the reason.
const ALLOWED: [(&str, &str); 1] = [(
    "<core::fmt::Formatter>::debug_struct_fields_finish",
    "asserts that a derived `Debug` names as many fields as it gives values, which derived ones do",
)];

/// Every function that refers to a panic: its name and that of the panic.
pub(crate) fn find(elf: &Elf) -> Vec<String> {
    let panics = elf.functions().filter(|function| is_panic(&function.name));
    let mut found: Vec<_> = panics.flat_map(|panic| in_functions(elf, panic)).collect();
    found.sort();
    found.dedup();
    found
}

fn in_functions(elf: &Elf, panic: &Symbol) -> Vec<String> {
    let referrers = elf.referrers(panic);
    if referrers.is_empty() {
        return vec![format!("{}, and nothing says from where", panic.name)];
    }
    referrers
        .iter()
        .filter(|referrer| !is_panic(&referrer.name))
        .filter(|referrer| !ALLOWED.iter().any(|(allowed, _)| referrer.name == *allowed))
        .map(|referrer| format!("{} in {}", panic.name, referrer.name))
        .collect()
}

/// Whether a function is one that panics end in, or that only panics.
///
/// All are the core library's, and lead to its `panicking` module and from there to the program's panic
/// handler, `rust_begin_unwind`.
fn is_panic(name: &str) -> bool {
    if name.ends_with("rust_begin_unwind") {
        return true;
    }
    let path = name.trim_start_matches('<');
    let of_library = ["core::", "alloc::", "std::"].iter().any(|library| path.starts_with(library));
    let panics = |part: &str| {
        part.contains("panic") || ["_fail", "_failed", "_fail_rt"].iter().any(|end| part.ends_with(end))
    };
    of_library && path.split("::").any(panics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_are_known_by_name_and_nothing_else_is_one() {
        for name in [
            "rust_begin_unwind",
            "__rustc::rust_begin_unwind",
            "core::panicking::panic_fmt",
            "core::panicking::panic_const::panic_const_div_by_zero",
            "core::panicking::assert_failed::<usize, usize>",
            "core::option::unwrap_failed",
            "core::option::expect_failed",
            "core::slice::index::slice_index_fail",
            "core::slice::copy_from_slice_impl::len_mismatch_fail",
            "core::str::slice_error_fail_rt",
        ] {
            assert!(is_panic(name), "{name}");
        }
        for name in [
            "_start",
            "core::fmt::write",
            "<core::fmt::Formatter>::pad",
            "core::sync::atomic::strongest_failure_ordering",
            "<trapline_core::syndrome::exception::AuthenticationFailure as core::fmt::Display>::fmt",
            "trapline_core::target::panic_of_a_guest",
        ] {
            assert!(!is_panic(name), "{name}");
        }
    }
}
