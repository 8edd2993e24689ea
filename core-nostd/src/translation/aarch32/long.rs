//! Long descriptors: 64 bits wide, up to three levels of 4 KiB tables.

use super::{DataPermissions, ExecuteNever, Regime, bit};
use crate::address::PhysicalAddress;
use crate::translation::{Mapping, TableMemory, Translation, TranslationError};

/// The walk (DDI 0487, "The VMSAv8-32 Long-descriptor translation table format").
pub(super) fn translate<M: TableMemory + ?Sized>(
    regime: &Regime,
    va: u32,
    memory: &mut M,
) -> Result<Translation, TranslationError<M::Error>> {
    let address = u64::from(va);
    let region = Region::of(regime, va).ok_or(TranslationError::OutOfRange { address, level: 1 })?;
    if region.disabled {
        return Err(TranslationError::WalkDisabled { address, level: 1 });
    }

    let mut level = region.start_level();
    // The first table is aligned to its size, 8 bytes for each of its entries.
    let size_bits = region.input_bits - entry_bits(level) + 3;
    let mut table = region.ttbr & 0xffff_ffff_ffff & !((1 << size_bits) - 1);
    check_output(table, 0)?;
    let mut index = (address & ((1 << region.input_bits) - 1)) >> entry_bits(level);
    // Limits of the tables on the way: PXNTable [59], XNTable [60], APTable [62:61].
    let mut limits = 0;
    loop {
        let entry = PhysicalAddress(table | index << 3);
        let mut bytes = [0; 8];
        memory.read_descriptor(entry, &mut bytes).map_err(|error| TranslationError::Memory {
            address: entry,
            error,
            level,
        })?;
        let ee = regime.sctlr.ee();
        let descriptor = if ee { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) };
        match (descriptor & 0b11, level) {
            (0b11, ..3) => {
                table = descriptor & 0xffff_ffff_f000;
                check_output(table, level)?;
                limits |= descriptor & 0xf << 59;
                level += 1;
                index = address >> entry_bits(level) & 0x1ff;
            }
            (0b01, ..3) | (0b11, _) => {
                let limits = if region.hierarchical_disabled { 0 } else { limits };
                return leaf(regime, descriptor, limits, level, address);
            }
            _ => return Err(TranslationError::NotMapped { address, level }),
        }
    }
}

/// What `TTBCR` says of the part of the address space that an address is in.
struct Region {
    ttbr: u64,
    input_bits: u32,
    disabled: bool,
    hierarchical_disabled: bool,
}

impl Region {
    /// `None` between the two regions.
    fn of(regime: &Regime, va: u32) -> Option<Self> {
        let ttbcr = regime.ttbcr;
        // T0SZ, bits [2:0], and T1SZ, bits [18:16].
        let (t0sz, t1sz) = ((ttbcr & 0b111) as u32, (ttbcr >> 16 & 0b111) as u32);
        // T2E, bit [6], lets TTBCR2 count: HPD0 and HPD1 are its bits [9] and [10].
        let t2e = bit(ttbcr, 6);
        let lower = va.leading_zeros() >= t0sz;
        let upper = if t1sz == 0 { !lower } else { va.leading_ones() >= t1sz };
        if upper {
            Some(Self {
                ttbr: regime.ttbr1,
                input_bits: 32 - t1sz,
                disabled: bit(ttbcr, 23),
                hierarchical_disabled: t2e && bit(ttbcr, 42),
            })
        } else if lower {
            Some(Self {
                ttbr: regime.ttbr0,
                input_bits: 32 - t0sz,
                disabled: bit(ttbcr, 7),
                hierarchical_disabled: t2e && bit(ttbcr, 41),
            })
        } else {
            None
        }
    }

    const fn start_level(&self) -> i8 {
        if self.input_bits > 30 { 1 } else { 2 }
    }
}

/// log2 of what one entry of a level maps.
const fn entry_bits(level: i8) -> u32 {
    (3 - level) as u32 * 9 + 12
}

/// Physical addresses have 40 bits.
fn check_output<E>(output: u64, level: i8) -> Result<(), TranslationError<E>> {
    if output >> 40 == 0 {
        return Ok(());
    }
    Err(TranslationError::AddressSize { output: PhysicalAddress(output), level })
}

fn leaf<E>(
    regime: &Regime,
    descriptor: u64,
    limits: u64,
    level: i8,
    va: u64,
) -> Result<Translation, TranslationError<E>> {
    let bits = entry_bits(level);
    let offset = (1 << bits) - 1;
    let base = descriptor & 0xffff_ffff_f000 & !offset;
    check_output(base, level)?;

    // APTable[0] takes EL0's access, APTable[1] takes writes.
    let ap = (descriptor >> 6 & 0b11) as u8 & !u8::from(bit(limits, 61)) | u8::from(bit(limits, 62)) << 1;
    let never = ExecuteNever {
        xn: bit(descriptor, 54) || bit(limits, 60),
        pxn: bit(descriptor, 53) || bit(limits, 59),
    };
    let (el0, el1) = DataPermissions::of_ap_2_1(ap).with(never, regime.sctlr);
    Ok(Translation {
        physical: PhysicalAddress(base | va & offset),
        block: 1 << bits,
        mapping: Some(Mapping {
            level,
            el0,
            el1,
            el0_prevented: false,
            access_flag: bit(descriptor, 10),
            access_flag_by_hardware: false,
            attribute_index: (descriptor >> 2 & 0b111) as u8,
            not_global: bit(descriptor, 11),
            contiguous: bit(descriptor, 52),
        }),
    })
}
