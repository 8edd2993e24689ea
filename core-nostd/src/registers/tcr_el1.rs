//! `TCR_EL1` and `TCR2_EL1`.

use bitfield_struct::bitfield;

/// The translation control register of EL1 and EL0 (DDI 0487, "TCR_EL1, Translation Control Register
/// (EL1)"). Fields that end in 0 are of the half that `TTBR0_EL1` maps, those in 1 of `TTBR1_EL1`'s.
#[bitfield(u64, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct TcrEl1 {
    /// T0SZ, bits \[5:0\]: the half is 2^(64 - T0SZ) bytes large.
    #[bits(6, access = RO)]
    pub t0sz: u8,
    __: bool,
    /// EPD0, bit \[7\]: a walk through the half faults instead.
    pub epd0: bool,
    /// IRGN0, bits \[9:8\]: inner cacheability of walks.
    #[bits(2, access = RO)]
    pub irgn0: u8,
    /// ORGN0, bits \[11:10\]: outer cacheability of walks.
    #[bits(2, access = RO)]
    pub orgn0: u8,
    /// SH0, bits \[13:12\]: shareability of walks, and of what they map where DS is set.
    #[bits(2, access = RO)]
    pub sh0: u8,
    /// TG0, bits \[15:14\]: granule; 0b00 4 KiB, 0b01 64 KiB, 0b10 16 KiB.
    #[bits(2, access = RO)]
    pub tg0: u8,
    /// T1SZ, bits \[21:16\]: the half is 2^(64 - T1SZ) bytes large.
    #[bits(6, access = RO)]
    pub t1sz: u8,
    /// A1, bit \[22\]: the ASID is `TTBR1_EL1`'s.
    pub a1: bool,
    /// EPD1, bit \[23\]: a walk through the half faults instead.
    pub epd1: bool,
    /// IRGN1, bits \[25:24\]: inner cacheability of walks.
    #[bits(2, access = RO)]
    pub irgn1: u8,
    /// ORGN1, bits \[27:26\]: outer cacheability of walks.
    #[bits(2, access = RO)]
    pub orgn1: u8,
    /// SH1, bits \[29:28\]: shareability of walks, and of what they map where DS is set.
    #[bits(2, access = RO)]
    pub sh1: u8,
    /// TG1, bits \[31:30\]: granule; 0b01 16 KiB, 0b10 4 KiB, 0b11 64 KiB.
    #[bits(2, access = RO)]
    pub tg1: u8,
    /// IPS, bits \[34:32\]: output address size.
    #[bits(3, access = RO)]
    pub ips: u8,
    __: bool,
    /// AS, bit \[36\]: ASIDs are 16 bits wide.
    pub asid16: bool,
    /// TBI0, bit \[37\]: the top byte of an address is ignored.
    pub tbi0: bool,
    /// TBI1, bit \[38\]: the top byte of an address is ignored.
    pub tbi1: bool,
    /// HA, bit \[39\]: hardware sets the access flag.
    pub ha: bool,
    /// HD, bit \[40\]: hardware manages dirty state.
    pub hd: bool,
    /// HPD0, bit \[41\]: table descriptors carry no permissions.
    pub hpd0: bool,
    /// HPD1, bit \[42\]: table descriptors carry no permissions.
    pub hpd1: bool,
    /// HWU059 to HWU062 and HWU159 to HWU162, bits \[50:43\]: descriptor bits left to the
    /// implementation.
    pub hwu: u8,
    /// TBID0, bit \[51\]: TBI0 is for data accesses only.
    pub tbid0: bool,
    /// TBID1, bit \[52\]: TBI1 is for data accesses only.
    pub tbid1: bool,
    /// NFD0, bit \[53\]: non-fault accesses of EL0 do not walk.
    pub nfd0: bool,
    /// NFD1, bit \[54\]: non-fault accesses of EL0 do not walk.
    pub nfd1: bool,
    /// E0PD0, bit \[55\]: EL0's accesses fault at level 0.
    pub e0pd0: bool,
    /// E0PD1, bit \[56\]: EL0's accesses fault at level 0.
    pub e0pd1: bool,
    /// TCMA0, bit \[57\]: accesses with tag 0b0000 are not checked.
    pub tcma0: bool,
    /// TCMA1, bit \[58\]: accesses with tag 0b1111 are not checked.
    pub tcma1: bool,
    /// DS, bit \[59\]: 52-bit addresses with 4 KiB and 16 KiB granules (FEAT_LPA2).
    pub ds: bool,
    /// MTX0, bit \[60\]: bits \[59:56\] of an address are a logical tag.
    pub mtx0: bool,
    /// MTX1, bit \[61\]: bits \[59:56\] of an address are a logical tag.
    pub mtx1: bool,
    #[bits(2)]
    __: u8,
}

/// The extended translation control register (DDI 0487, "TCR2_EL1, Extended Translation Control
/// Register (EL1)"); all clear where FEAT_TCR2 is not implemented.
#[bitfield(u64, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct Tcr2El1 {
    /// PnCH, bit \[0\]: descriptor bit 52 is protected.
    pub pnch: bool,
    /// PIE, bit \[1\]: permissions are indirect, by `PIR_EL1` and `PIRE0_EL1` (FEAT_S1PIE).
    pub pie: bool,
    /// E0POE, bit \[2\]: permission overlays for EL0.
    pub e0poe: bool,
    /// POE, bit \[3\]: permission overlays for EL1.
    pub poe: bool,
    /// AIE, bit \[4\]: attribute indexes are 4 bits wide, with descriptor bit 59 (FEAT_AIE).
    pub aie: bool,
    /// D128, bit \[5\]: descriptors are 128 bits wide (FEAT_D128).
    pub d128: bool,
    #[bits(58)]
    __: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit numbers from DDI 0487, "TCR_EL1", written here apart from the layout.
    #[test]
    fn every_field_has_the_bits_of_the_manual() {
        type Get = fn(TcrEl1) -> u8;
        let fields: [(u32, u32, Get); 12] = [
            (5, 0, |t| t.t0sz()),
            (9, 8, |t| t.irgn0()),
            (11, 10, |t| t.orgn0()),
            (13, 12, |t| t.sh0()),
            (15, 14, |t| t.tg0()),
            (21, 16, |t| t.t1sz()),
            (25, 24, |t| t.irgn1()),
            (27, 26, |t| t.orgn1()),
            (29, 28, |t| t.sh1()),
            (31, 30, |t| t.tg1()),
            (34, 32, |t| t.ips()),
            (50, 43, |t| t.hwu()),
        ];
        for (high, low, get) in fields {
            let ones = (1_u64 << (high - low + 1)) - 1;
            assert_eq!(u64::from(get(TcrEl1::from_bits(ones << low))), ones, "[{high}:{low}]");
            assert_eq!(get(TcrEl1::from_bits(!(ones << low))), 0, "[{high}:{low}]");
        }
        type Flag = fn(TcrEl1) -> bool;
        let flags: [(u32, Flag); 21] = [
            (7, |t| t.epd0()),
            (22, |t| t.a1()),
            (23, |t| t.epd1()),
            (36, |t| t.asid16()),
            (37, |t| t.tbi0()),
            (38, |t| t.tbi1()),
            (39, |t| t.ha()),
            (40, |t| t.hd()),
            (41, |t| t.hpd0()),
            (42, |t| t.hpd1()),
            (51, |t| t.tbid0()),
            (52, |t| t.tbid1()),
            (53, |t| t.nfd0()),
            (54, |t| t.nfd1()),
            (55, |t| t.e0pd0()),
            (56, |t| t.e0pd1()),
            (57, |t| t.tcma0()),
            (58, |t| t.tcma1()),
            (59, |t| t.ds()),
            (60, |t| t.mtx0()),
            (61, |t| t.mtx1()),
        ];
        for (bit, get) in flags {
            assert!(get(TcrEl1::from_bits(1 << bit)) && !get(TcrEl1::from_bits(!(1 << bit))), "bit {bit}");
        }
    }

    #[test]
    fn tcr2_has_the_bits_of_the_manual() {
        type Flag = fn(Tcr2El1) -> bool;
        let flags: [(u32, Flag); 6] = [
            (0, |t| t.pnch()),
            (1, |t| t.pie()),
            (2, |t| t.e0poe()),
            (3, |t| t.poe()),
            (4, |t| t.aie()),
            (5, |t| t.d128()),
        ];
        for (bit, get) in flags {
            assert!(get(Tcr2El1::from_bits(1 << bit)) && !get(Tcr2El1::from_bits(!(1 << bit))), "bit {bit}");
        }
    }
}
