//! The walk of AArch64's EL1&0 regime, with 64-bit descriptors.

use super::{Mapping, Permissions, TableMemory, Translation, TranslationError};
use crate::address::PhysicalAddress;
use crate::registers::{SctlrEl1, Tcr2El1, TcrEl1, Ttbr};

/// The registers that the EL1&0 translation regime depends on (DDI 0487, "The AArch64 Virtual Memory
/// System Architecture").
///
/// All of them zero is an MMU that is off on a core with 32-bit physical addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Regime {
    /// `SCTLR_EL1`.
    pub sctlr_el1: SctlrEl1,
    /// `TCR_EL1`.
    pub tcr_el1: TcrEl1,
    /// `TCR2_EL1`; 0 where there is none.
    pub tcr2_el1: Tcr2El1,
    /// `TTBR0_EL1`.
    pub ttbr0_el1: Ttbr,
    /// `TTBR1_EL1`.
    pub ttbr1_el1: Ttbr,
    /// `PIR_EL1`; needed only where `TCR2_EL1.PIE` is set.
    pub pir_el1: u64,
    /// `PIRE0_EL1`; needed only where `TCR2_EL1.PIE` is set.
    pub pire0_el1: u64,
    /// `ID_AA64MMFR0_EL1`: physical address size and granules.
    pub id_aa64mmfr0_el1: u64,
    /// `ID_AA64MMFR1_EL1`: hardware management of flags, hierarchical permission disables.
    pub id_aa64mmfr1_el1: u64,
    /// `ID_AA64MMFR2_EL1`: virtual address size, small tables, E0PD.
    pub id_aa64mmfr2_el1: u64,
}

/// Walks the translation tables for `va`.
///
/// # Errors
/// Where nothing is mapped, where the tables are not such as the core would walk, and where a descriptor
/// cannot be read.
pub fn translate<M: TableMemory + ?Sized>(
    regime: &Regime,
    va: u64,
    memory: &mut M,
) -> Result<Translation, TranslationError<M::Error>> {
    let half = Half::of(regime, va);
    if !regime.sctlr_el1.m() {
        return flat(regime, &half, va);
    }
    if regime.tcr2_el1.d128() {
        return Err(TranslationError::WideDescriptors);
    }
    if half.walk_disabled {
        return Err(TranslationError::WalkDisabled { address: va, level: 0 });
    }
    let format = Format::of(regime, &half)?;
    if half.is_out_of_range(va, format.input_bits) {
        return Err(TranslationError::OutOfRange { address: va, level: 0 });
    }

    let mut table = format.base(half.ttbr);
    format.check_output(table, 0)?;
    let mut level = format.start_level();
    let mut limits = TableLimits::default();
    // Five levels at most, −1 to 3; the last has no tables.
    loop {
        let address = PhysicalAddress(table | format.index(va, level) << 3);
        let descriptor = read(memory, address, regime.sctlr_el1.ee())
            .map_err(|error| TranslationError::Memory { address, error, level })?;
        let not_mapped = TranslationError::NotMapped { address: va, level };
        match (descriptor & 0b11, level) {
            (0b11, ..3) => {
                limits.add(descriptor);
                table = format.next_table(descriptor);
                format.check_output(table, level)?;
                level += 1;
            }
            (0b01, ..3) if format.has_blocks(level) => {
                return format.leaf(regime, &half, limits, descriptor, level, va);
            }
            (0b11, _) => return format.leaf(regime, &half, limits, descriptor, level, va),
            _ => return Err(not_mapped),
        }
    }
}

/// The MMU is off: addresses are physical (DDI 0487, "The effects of disabling an address translation
/// stage").
fn flat<E>(regime: &Regime, half: &Half, va: u64) -> Result<Translation, TranslationError<E>> {
    let bits = physical_bits(regime);
    let address = if half.ignore_top_byte { va & !(0xff << 56) } else { va };
    if address >> bits != 0 {
        return Err(TranslationError::AddressSize { output: PhysicalAddress(address), level: 0 });
    }
    Ok(Translation { physical: PhysicalAddress(address), block: 1 << bits, mapping: None })
}

fn read<M: TableMemory + ?Sized>(
    memory: &mut M,
    address: PhysicalAddress,
    big_endian: bool,
) -> Result<u64, M::Error> {
    let mut bytes = [0; 8];
    memory.read_descriptor(address, &mut bytes)?;
    Ok(if big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
}

/// An ID register's unsigned field of 4 bits from `low` on.
const fn id_field(register: u64, low: u32) -> u64 {
    register >> low & 0xf
}

/// PARange: how many bits a physical address has.
const fn physical_bits(regime: &Regime) -> u32 {
    address_bits(id_field(regime.id_aa64mmfr0_el1, 0))
}

/// The encoding that PARange and IPS share.
const fn address_bits(encoded: u64) -> u32 {
    match encoded {
        0 => 32,
        1 => 36,
        2 => 40,
        3 => 42,
        4 => 44,
        5 => 48,
        6 => 52,
        _ => 56,
    }
}

/// What `TCR_EL1` says of the half that an address is in.
struct Half {
    upper: bool,
    ttbr: Ttbr,
    tnsz: u8,
    /// TG0's encoding, whichever half it is; 0b11 where it is reserved.
    tg: u8,
    tg_raw: u8,
    walk_disabled: bool,
    ignore_top_byte: bool,
    tagged: bool,
    hierarchical_disabled: bool,
    el0_prevented: bool,
}

impl Half {
    fn of(regime: &Regime, va: u64) -> Self {
        let tcr = regime.tcr_el1;
        let hierarchical = id_field(regime.id_aa64mmfr1_el1, 12) == 0;
        let e0pd = id_field(regime.id_aa64mmfr2_el1, 60) != 0;
        // Bit 55 chooses the half even where the top byte is ignored.
        if va >> 55 & 1 == 0 {
            Self {
                upper: false,
                ttbr: regime.ttbr0_el1,
                tnsz: tcr.t0sz(),
                tg: tcr.tg0(),
                tg_raw: tcr.tg0(),
                walk_disabled: tcr.epd0(),
                ignore_top_byte: tcr.tbi0(),
                tagged: tcr.mtx0(),
                hierarchical_disabled: tcr.hpd0() && !hierarchical,
                el0_prevented: tcr.e0pd0() && e0pd,
            }
        } else {
            Self {
                upper: true,
                ttbr: regime.ttbr1_el1,
                tnsz: tcr.t1sz(),
                // TG1 has an encoding of its own.
                tg: match tcr.tg1() {
                    0b01 => 0b10,
                    0b10 => 0b00,
                    0b11 => 0b01,
                    _ => 0b11,
                },
                tg_raw: tcr.tg1(),
                walk_disabled: tcr.epd1(),
                ignore_top_byte: tcr.tbi1(),
                tagged: tcr.mtx1(),
                hierarchical_disabled: tcr.hpd1() && !hierarchical,
                el0_prevented: tcr.e0pd1() && e0pd,
            }
        }
    }

    /// Whether the bits from `input_bits` up to the tag are not all those of the half.
    const fn is_out_of_range(&self, va: u64, input_bits: u32) -> bool {
        let expected = if self.upper { u64::MAX } else { 0 };
        let mut differing = va ^ expected;
        if self.ignore_top_byte {
            differing &= !(0xff << 56);
        }
        if self.tagged {
            differing &= !(0xf << 56);
        }
        differing >> input_bits != 0
    }
}

/// Permission bits of the table descriptors on the way: APTable, UXNTable, PXNTable.
#[derive(Clone, Copy, Default)]
struct TableLimits(u64);

impl TableLimits {
    const PXN: u64 = 1 << 59;
    const UXN: u64 = 1 << 60;
    const NO_EL0: u64 = 1 << 61;
    const READ_ONLY: u64 = 1 << 62;

    fn add(&mut self, descriptor: u64) {
        self.0 |= descriptor & (Self::PXN | Self::UXN | Self::NO_EL0 | Self::READ_ONLY);
    }

    const fn has(self, limit: u64) -> bool {
        self.0 & limit != 0
    }
}

/// The shape of the tables of one half.
struct Format {
    /// log2 of the granule: 12, 14 or 16.
    granule_bits: u32,
    /// Bits of a virtual address that are translated.
    input_bits: u32,
    /// Bits of a physical address.
    output_bits: u32,
    /// 52-bit addresses in 4 KiB or 16 KiB granules (`TCR_EL1.DS`).
    lpa2: bool,
    /// 52-bit addresses in 64 KiB granules (FEAT_LPA).
    lpa: bool,
    /// The base register has 52 bits.
    wide_base: bool,
}

impl Format {
    fn of<E>(regime: &Regime, half: &Half) -> Result<Self, TranslationError<E>> {
        let (mmfr0, mmfr2) = (regime.id_aa64mmfr0_el1, regime.id_aa64mmfr2_el1);
        // TGran4 is bits [31:28], 0b1111 where missing; TGran64 [27:24], likewise; TGran16 [23:20], 0
        // where missing. TGran4 of 1 and TGran16 of 2 have 52-bit addresses.
        let (granule_bits, present, lpa2) = match half.tg {
            0b00 => (12, id_field(mmfr0, 28) != 0xf, id_field(mmfr0, 28) == 1),
            0b01 => (16, id_field(mmfr0, 24) != 0xf, false),
            0b10 => (14, id_field(mmfr0, 20) != 0, id_field(mmfr0, 20) >= 2),
            _ => (0, false, false),
        };
        if !present {
            return Err(TranslationError::Granule { tg: half.tg_raw });
        }
        let lpa2 = lpa2 && regime.tcr_el1.ds();
        let large = granule_bits == 16;

        let large_va = id_field(mmfr2, 16) != 0;
        let least = if lpa2 || large && large_va { 12 } else { 16 };
        let small_tables = id_field(mmfr2, 28) != 0;
        let most = match (small_tables, large) {
            (true, true) => 47,
            (true, false) => 48,
            (false, _) => 39,
        };
        if half.tnsz < least || half.tnsz > most {
            return Err(TranslationError::InputSize { tnsz: half.tnsz });
        }

        let physical_bits = physical_bits(regime);
        let lpa = large && physical_bits >= 52;
        let widest = if lpa2 || lpa { 52 } else { 48 };
        let ips = u64::from(regime.tcr_el1.ips());
        Ok(Self {
            granule_bits,
            input_bits: 64 - u32::from(half.tnsz),
            output_bits: address_bits(ips).min(physical_bits).min(widest),
            lpa2,
            lpa,
            wide_base: lpa2 || lpa && ips == 0b110,
        })
    }

    /// Bits that one level resolves.
    const fn stride(&self) -> u32 {
        self.granule_bits - 3
    }

    const fn start_level(&self) -> i8 {
        // The stride is never 0; saying so here leaves no division that could panic.
        match (self.input_bits - 1 - self.granule_bits).checked_div(self.stride()) {
            Some(levels_above) => 3 - levels_above as i8,
            None => 3,
        }
    }

    /// log2 of what one entry of a level maps.
    const fn entry_bits(&self, level: i8) -> u32 {
        (3 - level) as u32 * self.stride() + self.granule_bits
    }

    /// The first table: its address is aligned to its size.
    const fn base(&self, ttbr: Ttbr) -> u64 {
        let size_bits = self.input_bits - self.entry_bits(self.start_level()) + 3;
        if self.wide_base {
            // At least 64 bytes, which `base_52` aligns to.
            ttbr.base_52() & !((1 << size_bits) - 1)
        } else {
            ttbr.base() & !((1 << size_bits) - 1)
        }
    }

    const fn index(&self, va: u64, level: i8) -> u64 {
        let low = self.entry_bits(level);
        let high = if level == self.start_level() { self.input_bits } else { low + self.stride() };
        (va & ((1 << high) - 1)) >> low
    }

    const fn has_blocks(&self, level: i8) -> bool {
        match level {
            2 => true,
            1 => self.granule_bits == 12 || self.lpa2 || self.lpa,
            0 => self.granule_bits == 12 && self.lpa2,
            _ => false,
        }
    }

    /// The address in a descriptor, of which the low `bits` are 0.
    const fn output(&self, descriptor: u64, bits: u32) -> u64 {
        let below_48 = descriptor & ((1 << 48) - 1) & !((1 << bits) - 1);
        let above = if self.lpa2 {
            (descriptor >> 8 & 0b11) << 2 | descriptor >> 48 & 0b11
        } else if self.lpa {
            descriptor >> 12 & 0xf
        } else {
            0
        };
        below_48 | above << 48
    }

    const fn next_table(&self, descriptor: u64) -> u64 {
        self.output(descriptor, self.granule_bits)
    }

    fn check_output<E>(&self, output: u64, level: i8) -> Result<(), TranslationError<E>> {
        if output >> self.output_bits == 0 {
            return Ok(());
        }
        Err(TranslationError::AddressSize { output: PhysicalAddress(output), level })
    }

    fn leaf<E>(
        &self,
        regime: &Regime,
        half: &Half,
        limits: TableLimits,
        descriptor: u64,
        level: i8,
        va: u64,
    ) -> Result<Translation, TranslationError<E>> {
        let bits = self.entry_bits(level);
        let base = self.output(descriptor, bits);
        self.check_output(base, level)?;

        let hafdbs = id_field(regime.id_aa64mmfr1_el1, 0);
        let dirty_by_hardware = hafdbs >= 2 && regime.tcr_el1.ha() && regime.tcr_el1.hd();
        let (el0, el1) = if regime.tcr2_el1.pie() {
            indirect_permissions(regime, descriptor, dirty_by_hardware)
        } else {
            let limits = if half.hierarchical_disabled { TableLimits::default() } else { limits };
            direct_permissions(descriptor, limits, regime.sctlr_el1.wxn(), dirty_by_hardware)
        };
        let extended_index = if regime.tcr2_el1.aie() { (descriptor >> 59 & 1) << 3 } else { 0 };
        Ok(Translation {
            physical: PhysicalAddress(base | va & ((1 << bits) - 1)),
            block: 1 << bits,
            mapping: Some(Mapping {
                level,
                el0,
                el1,
                el0_prevented: half.el0_prevented,
                access_flag: bit(descriptor, 10),
                access_flag_by_hardware: hafdbs >= 1 && regime.tcr_el1.ha(),
                attribute_index: (descriptor >> 2 & 0b111 | extended_index) as u8,
                not_global: bit(descriptor, 11),
                contiguous: bit(descriptor, 52),
            }),
        })
    }
}

const fn bit(value: u64, number: u32) -> bool {
    value >> number & 1 != 0
}

/// EL0's and EL1's permissions (DDI 0487, "Direct permissions"): AP\[2:1\], UXN, PXN, and the limits of
/// the tables above.
fn direct_permissions(
    descriptor: u64,
    limits: TableLimits,
    wxn: bool,
    dirty_by_hardware: bool,
) -> (Permissions, Permissions) {
    // DBM: a read-only page becomes writable when hardware writes to it.
    let clean = dirty_by_hardware && bit(descriptor, 51);
    let writable = (!bit(descriptor, 7) || clean) && !limits.has(TableLimits::READ_ONLY);
    let el0_access = bit(descriptor, 6) && !limits.has(TableLimits::NO_EL0);
    let el0_write = el0_access && writable;

    let uxn = bit(descriptor, 54) || limits.has(TableLimits::UXN) || wxn && el0_write;
    // What EL0 can write is never executable at EL1.
    let pxn = bit(descriptor, 53) || limits.has(TableLimits::PXN) || wxn && writable || el0_write;
    let el0 = Permissions { read: el0_access, write: el0_write, execute: !uxn };
    let el1 = Permissions { read: true, write: writable, execute: !pxn };
    (el0, el1)
}

/// EL0's and EL1's permissions (DDI 0487, "Indirect permissions"): base permissions from the nibble of
/// `PIRE0_EL1` and `PIR_EL1` that the descriptor selects. Overlays only ever take away, and are left out.
fn indirect_permissions(
    regime: &Regime,
    descriptor: u64,
    dirty_by_hardware: bool,
) -> (Permissions, Permissions) {
    // PIIndex: bits 54, 53, 51 and 6.
    let index = (descriptor >> 53 & 0b11) << 2 | (descriptor >> 51 & 1) << 1 | descriptor >> 6 & 1;
    // Bit 7 is nDirty: a write to what is not dirty faults unless hardware clears it.
    let writes = !bit(descriptor, 7) || dirty_by_hardware;
    let permissions = |register: u64| {
        let (read, write, execute) = match register >> (index * 4) & 0xf {
            0x1 | 0x8 | 0x9 => (true, false, false),
            0x2 => (false, false, true),
            0x3 | 0xa => (true, false, true),
            // 0x6 is executable only where an overlay takes its write permission away.
            0x5 | 0x6 | 0xc => (true, true, false),
            0x7 | 0xe => (true, true, true),
            _ => (false, false, false),
        };
        Permissions { read, write: write && writes, execute }
    };
    (permissions(regime.pire0_el1), permissions(regime.pir_el1))
}
