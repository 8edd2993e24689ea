//! What is wrong with points on the command line is said before anything is built.

#![cfg(feature = "kvm")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Command;

/// Runs the tool on an ELF file with symbols, this test's own; its exit status and standard error.
fn trapline(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_trapline"))
        .args(["guest", "--gdb", "none", "--serial", "/dev/null", "--kernel"])
        .arg(std::env::current_exe().unwrap())
        .args(arguments)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_symbol_that_is_missing_is_refused_with_those_that_are_near() {
    let (status, error) = trapline(&["--break", "traplin"]);
    assert_eq!(status, Some(1));
    assert!(error.starts_with("trapline: --break 'traplin': there is no symbol 'traplin'"), "{error}");
    assert!(error.contains("; there is points::trapline"), "{error}");
}

#[test]
fn a_line_without_code_is_refused_with_those_that_have_some() {
    let (status, error) = trapline(&["--break", "tests/points.rs:2"]);
    assert_eq!(status, Some(1));
    assert!(error.contains("line 2 of tests/points.rs has no code; lines "), "{error}");
}

#[test]
fn an_expression_that_is_none_is_refused_with_its_reason() {
    let (status, error) = trapline(&["--break", "0x1000 if $x0 = 3"]);
    assert_eq!(status, Some(1));
    assert!(error.contains("if $x0 = 3: write == to compare"), "{error}");
}

#[test]
fn a_point_that_cannot_be_read_is_a_wrong_command_line() {
    for wrong in ["--break=", "--watch=main.rs:3:0", "--watch=X == y", "--on-stop=never", "--max-stops=0"] {
        assert_eq!(trapline(&[wrong]).0, Some(2), "{wrong}");
    }
}
