//! How much a store writes, by its instruction: for those whose syndrome does not say it.

/// The widest store of A64 without SVE and without the memory copy and set instructions, in bytes.
const WIDEST: u64 = 64;

/// How many bytes the A64 instruction `word` writes at most, from the address on that it accesses first. A
/// store that is not known here is taken for one of the widest.
pub(super) const fn width(word: u32) -> u64 {
    let size = word >> 30;
    let vector = word >> 26 & 1 != 0;
    match word >> 27 & 0b111 {
        // Load/store pair: two of 4, 8 or 16 bytes.
        0b101 if vector => 2 * (4 << size),
        0b101 => 2 * if size & 0b10 != 0 { 8 } else { 4 },
        // Load/store register, all forms and atomics among them; opc<1> makes a vector one of 16 bytes.
        0b111 if vector && word >> 23 & 1 != 0 => 16,
        0b111 => 1 << size,
        // Exclusives, ordered accesses, compare and swap: a pair has o1 set. CASP has it clear bit 31 and bit 23.
        0b001 if !vector && word >> 24 & 1 == 0 => {
            let pair = word >> 21 & 1 != 0 && (word >> 23 & 1 == 0);
            if pair { 2 * if size & 1 != 0 { 8 } else { 4 } } else { 1 << size }
        }
        _ => WIDEST,
    }
}

#[cfg(test)]
mod tests {
    use super::width;

    #[test]
    fn stores_write_as_much_as_their_instruction_says() {
        for (word, bytes) in [
            (0x3800_1420, 1),  // strb w0, [x1], #1
            (0x7800_2c20, 2),  // strh w0, [x1, #2]!
            (0xb800_4420, 4),  // str w0, [x1], #4
            (0xf800_8420, 8),  // str x0, [x1], #8
            (0x3c80_0420, 16), // str q0, [x1], #0
            (0xfd00_0020, 8),  // str d0, [x1]
            (0x2900_0820, 8),  // stp w0, w2, [x1]
            (0xa900_0820, 16), // stp x0, x2, [x1]
            (0xad00_0820, 32), // stp q0, q2, [x1]
            (0x6d00_0820, 16), // stp d0, d2, [x1]
            (0xc802_7c20, 8),  // stxr w2, x0, [x1]
            (0xc822_0c20, 16), // stxp w2, x0, x3, [x1]
            (0x8822_0c20, 8),  // stxp w2, w0, w3, [x1]
            (0x0800_7c20, 1),  // stxrb w0, w0, [x1]
            (0xf820_0020, 8),  // ldadd x0, x0, [x1]
            (0xc8a0_7c22, 8),  // cas x0, x2, [x1]
            (0x4820_7c22, 16), // casp x0, x1, x2, x3, [x1]
            (0x0820_7c22, 8),  // casp w0, w1, w2, w3, [x1]
            (0x4c00_2020, 64), // st1 {v0.16b-v3.16b}, [x1]
            (0xd50b_7421, 64), // dc zva, x1
        ] {
            assert_eq!(width(word), bytes, "{word:#x}");
        }
    }
}
