//! Short descriptors: 32 bits wide, two levels.

use super::{DataPermissions, ExecuteNever, Regime, bit};
use crate::address::PhysicalAddress;
use crate::registers::SctlrEl1;
use crate::translation::{Mapping, Permissions, TableMemory, Translation, TranslationError};

/// The walk (DDI 0487, "The VMSAv8-32 Short-descriptor translation table format").
pub(super) fn translate<M: TableMemory + ?Sized>(
    regime: &Regime,
    va: u32,
    memory: &mut M,
) -> Result<Translation, TranslationError<M::Error>> {
    let address = u64::from(va);
    // N, bits [2:0]: where so many upper bits are 0, TTBR0 has a table that is smaller by that much.
    let n = (regime.ttbcr & 0b111) as u32;
    let lower = address >> (32 - n) == 0;
    let (ttbr, n, disabled) =
        if lower { (regime.ttbr0, n, bit(regime.ttbcr, 4)) } else { (regime.ttbr1, 0, bit(regime.ttbcr, 5)) };
    if disabled {
        return Err(TranslationError::WalkDisabled { address, level: 1 });
    }

    let table = ttbr & 0xffff_ffff & !((1 << (14 - n)) - 1);
    let first = read(memory, PhysicalAddress(table | address >> 20 << 2), 1, regime.sctlr)?;
    let domain = (first >> 5 & 0xf) as u32;
    match first & 0b11 {
        0b00 => Err(TranslationError::NotMapped { address, level: 1 }),
        0b01 => {
            let entry = PhysicalAddress(first & !0x3ff | (address >> 12 & 0xff) << 2);
            let second = read(memory, entry, 2, regime.sctlr)?;
            let pxn = bit(first, 2);
            match second & 0b11 {
                0b00 => Err(TranslationError::NotMapped { address, level: 2 }),
                0b01 => Ok(Leaf {
                    level: 2,
                    bits: 16,
                    base: second & !0xffff,
                    ap: second >> 9 & 0b1 | (second >> 4 & 0b11) << 1,
                    tex_cb: (second >> 12 & 0b111) << 2 | second >> 2 & 0b11,
                    not_global: bit(second, 11),
                    never: ExecuteNever { xn: bit(second, 15), pxn },
                    domain,
                }
                .translation(regime, address)),
                _ => Ok(Leaf {
                    level: 2,
                    bits: 12,
                    base: second & !0xfff,
                    ap: second >> 9 & 0b1 | (second >> 4 & 0b11) << 1,
                    tex_cb: (second >> 6 & 0b111) << 2 | second >> 2 & 0b11,
                    not_global: bit(second, 11),
                    never: ExecuteNever { xn: bit(second, 0), pxn },
                    domain,
                }
                .translation(regime, address)),
            }
        }
        _ => {
            let supersection = bit(first, 18);
            // A supersection has bits [39:36] of its address where a section has its domain.
            let (bits, base, domain) = if supersection {
                let above = (first >> 20 & 0xf) << 32 | (first >> 5 & 0xf) << 36;
                (24, first & !0xff_ffff | above, 0)
            } else {
                (20, first & !0xf_ffff, domain)
            };
            Ok(Leaf {
                level: 1,
                bits,
                base,
                ap: first >> 15 & 0b1 | (first >> 10 & 0b11) << 1,
                tex_cb: (first >> 12 & 0b111) << 2 | first >> 2 & 0b11,
                not_global: bit(first, 17),
                never: ExecuteNever { xn: bit(first, 4), pxn: bit(first, 0) },
                domain,
            }
            .translation(regime, address))
        }
    }
}

fn read<M: TableMemory + ?Sized>(
    memory: &mut M,
    address: PhysicalAddress,
    level: i8,
    sctlr: SctlrEl1,
) -> Result<u64, TranslationError<M::Error>> {
    let mut bytes = [0; 4];
    memory.read_descriptor(address, &mut bytes).map_err(|error| TranslationError::Memory {
        address,
        error,
        level,
    })?;
    Ok(u64::from(if sctlr.ee() { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }))
}

/// A section, a supersection or a page.
struct Leaf {
    level: i8,
    /// log2 of its size.
    bits: u32,
    base: u64,
    /// AP\[1:0\] in bits \[2:1\], AP\[2\] in bit \[0\].
    ap: u64,
    tex_cb: u64,
    not_global: bool,
    never: ExecuteNever,
    domain: u32,
}

impl Leaf {
    fn translation(self, regime: &Regime, va: u64) -> Translation {
        let access_flag_enabled = regime.sctlr.aarch32_afe();
        let (ap2, ap1, ap0) = (self.ap & 0b001 != 0, self.ap & 0b100 != 0, self.ap & 0b010 != 0);
        let data = if access_flag_enabled {
            DataPermissions::of_ap_2_1(u8::from(ap2) << 1 | u8::from(ap1))
        } else {
            match (ap2, ap1, ap0) {
                // 0b000 is no access at all, 0b100 is reserved.
                (_, false, false) => DataPermissions { el1: (false, false), el0: (false, false) },
                (false, false, true) => DataPermissions { el1: (true, true), el0: (false, false) },
                (false, true, false) => DataPermissions { el1: (true, true), el0: (true, false) },
                (false, true, true) => DataPermissions { el1: (true, true), el0: (true, true) },
                (true, false, true) => DataPermissions { el1: (true, false), el0: (false, false) },
                (true, true, _) => DataPermissions { el1: (true, false), el0: (true, false) },
            }
        };
        let everything = Permissions { read: true, write: true, execute: true };
        let (el0, el1) = match regime.dacr >> (self.domain * 2) & 0b11 {
            // Client: permissions count.
            0b01 => data.with(self.never, regime.sctlr),
            // Manager: they do not.
            0b11 => (everything, everything),
            // No access; 0b10 is reserved.
            _ => (Permissions::default(), Permissions::default()),
        };
        Translation {
            physical: PhysicalAddress(self.base | va & ((1 << self.bits) - 1)),
            block: 1 << self.bits,
            mapping: Some(Mapping {
                level: self.level,
                el0,
                el1,
                el0_prevented: false,
                access_flag: ap0 || !access_flag_enabled,
                access_flag_by_hardware: false,
                attribute_index: self.tex_cb as u8,
                not_global: self.not_global,
                contiguous: false,
            }),
        }
    }
}
