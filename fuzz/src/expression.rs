//! Any bytecode is refused or evaluated to an end, and what was let through is never malformed.

use arbitrary::Unstructured;
use trapline_core::agent::{Environment, EvaluationError, check as check_bytecode, evaluate};

/// A target whose registers and memory come from the fuzzer.
struct Target<'a> {
    source: Unstructured<'a>,
    printed: usize,
}

impl Environment for Target<'_> {
    type Error = ();

    fn register(&mut self, _number: u16) -> Result<u64, ()> {
        self.source.arbitrary().map_err(|_| ())
    }

    fn read(&mut self, _address: u64, buffer: &mut [u8]) -> Result<(), ()> {
        self.source.fill_buffer(buffer).map_err(|_| ())
    }

    fn print(&mut self, text: &str) {
        self.printed += text.len();
    }
}

/// Checks and evaluates one expression: the first byte of the input is its length.
///
/// # Panics
/// Where the check lets through what cannot be evaluated.
pub fn check(data: &[u8]) {
    let Some((length, rest)) = data.split_first() else { return };
    let (code, rest) = rest.split_at(usize::from(*length).min(rest.len()));
    let checked = check_bytecode(code);
    let mut target = Target { source: Unstructured::new(rest), printed: 0 };
    let result = evaluate(code, &mut target);
    match checked {
        Ok(()) => assert_ne!(result, Err(EvaluationError::Malformed), "{code:x?}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
