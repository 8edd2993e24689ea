//! Any `ESR_ELx` decodes, keeps its bits and has a description.

use arbitrary::Unstructured;
use trapline_core::stop::Cause;
use trapline_core::syndrome::Syndrome;
use trapline_core::target::Event;

/// Decodes one syndrome.
///
/// # Panics
/// Where the decoder loses something.
pub fn check(data: &[u8]) {
    let Ok((syndrome, fault_address)) = Unstructured::new(data).arbitrary::<(u64, u64)>() else { return };
    let decoded = Syndrome::decode(syndrome);
    assert_eq!(decoded.esr.into_bits(), syndrome);
    assert_eq!(u64::from(decoded.class.into_bits()), syndrome >> 26 & 0x3f);
    assert!(!decoded.to_string().is_empty());
    let _ = Cause::of(&Event::DebugException { syndrome, fault_address });
}
