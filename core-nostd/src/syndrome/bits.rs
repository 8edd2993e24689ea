//! Fields of an ISS.

/// Bit `number`.
pub(super) const fn bit(iss: u32, number: u32) -> bool {
    iss >> number & 1 != 0
}

/// The field of `width` bits, at most 8, from bit `low` on.
pub(super) const fn field(iss: u32, low: u32, width: u32) -> u8 {
    (iss >> low & ((1 << width) - 1)) as u8
}
