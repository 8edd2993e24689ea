//! What checked bytecode asks for.

use super::operation::Operation;
use super::register::{self, Numbering};

/// Whether the code has a print in it.
#[must_use]
pub fn prints(code: &[u8]) -> bool {
    operations(code).any(|operation| matches!(operation, Operation::Print { .. }))
}

/// Puts the engine's register numbers in the place of a client's.
///
/// # Errors
/// The first number that is no register; the code is in part rewritten then.
pub fn renumber(code: &mut [u8], numbering: Numbering) -> Result<(), u16> {
    let mut offset = 0;
    while let Ok((operation, next)) = Operation::decode(code, offset) {
        if let Operation::Register(number) = operation {
            let ours = numbering(number).and_then(register::number).ok_or(number)?;
            let place = code.get_mut(next - 2..next).unwrap_or_default();
            for (to, from) in place.iter_mut().zip(ours.to_be_bytes()) {
                *to = from;
            }
        }
        offset = next;
    }
    Ok(())
}

/// The first number of a register that is none by `numbering`.
#[must_use]
pub fn unknown_register(code: &[u8], numbering: Numbering) -> Option<u16> {
    operations(code).find_map(|operation| match operation {
        Operation::Register(number) => match numbering(number).and_then(register::number) {
            Some(_) => None,
            None => Some(number),
        },
        _ => None,
    })
}

/// The operations in the order in which they stand.
fn operations(code: &[u8]) -> impl Iterator<Item = Operation<'_>> {
    let mut offset = 0;
    core::iter::from_fn(move || {
        let (operation, next) = Operation::decode(code, offset).ok()?;
        offset = next;
        Some(operation)
    })
}
