//! `SCTLR_EL1`.

use bitfield_struct::bitfield;

/// The system control register of EL1 and EL0 (DDI 0487, "SCTLR_EL1, System Control Register (EL1)").
///
/// In AArch32 state bits \[31:0\] are `SCTLR`; the fields whose meaning differs are methods.
#[bitfield(u64, defmt = cfg(feature = "defmt"))]
#[derive(PartialEq, Eq, Hash)]
pub struct SctlrEl1 {
    /// M, bit \[0\]: stage 1 address translation is on.
    pub m: bool,
    /// A, bit \[1\]: alignment is checked.
    pub a: bool,
    /// C, bit \[2\]: data accesses may be cached.
    pub c: bool,
    /// SA, bit \[3\]: SP alignment is checked at EL1.
    pub sa: bool,
    /// SA0, bit \[4\]: SP alignment is checked at EL0.
    pub sa0: bool,
    /// CP15BEN, bit \[5\]: AArch32 barrier instructions in the coproc 15 space are on at EL0.
    pub cp15ben: bool,
    /// nAA, bit \[6\]: unaligned accesses within 16 bytes are no alignment faults.
    pub naa: bool,
    /// ITD, bit \[7\]: some uses of `IT` are off at EL0.
    pub itd: bool,
    /// SED, bit \[8\]: `SETEND` is off at EL0.
    pub sed: bool,
    /// UMA, bit \[9\]: EL0 may reach `DAIF`; traps when clear.
    pub uma: bool,
    /// EnRCTX, bit \[10\]: EL0 may use the prediction restriction instructions.
    pub enrctx: bool,
    /// EOS, bit \[11\]: exception exit is context synchronizing.
    pub eos: bool,
    /// I, bit \[12\]: instruction accesses may be cached.
    pub i: bool,
    /// EnDB, bit \[13\]: pointer authentication with the APDBKey key.
    pub endb: bool,
    /// DZE, bit \[14\]: EL0 may use `DC ZVA`.
    pub dze: bool,
    /// UCT, bit \[15\]: EL0 may read `CTR_EL0`.
    pub uct: bool,
    /// nTWI, bit \[16\]: `WFI` at EL0 does not trap.
    pub ntwi: bool,
    __: bool,
    /// nTWE, bit \[18\]: `WFE` at EL0 does not trap.
    pub ntwe: bool,
    /// WXN, bit \[19\]: what is writable is not executable.
    pub wxn: bool,
    /// TSCXT, bit \[20\]: EL0 accesses to `SCXTNUM_EL0` trap.
    pub tscxt: bool,
    /// IESB, bit \[21\]: implicit error synchronization at exceptions.
    pub iesb: bool,
    /// EIS, bit \[22\]: exception entry is context synchronizing.
    pub eis: bool,
    /// SPAN, bit \[23\]: an exception to EL1 leaves `PSTATE.PAN` alone; it sets it when clear.
    pub span: bool,
    /// E0E, bit \[24\]: EL0's data accesses are big-endian.
    pub e0e: bool,
    /// EE, bit \[25\]: EL1's data accesses and the translation tables are big-endian.
    pub ee: bool,
    /// UCI, bit \[26\]: EL0 may use cache maintenance instructions.
    pub uci: bool,
    /// EnDA, bit \[27\]: pointer authentication with the APDAKey key.
    pub enda: bool,
    /// nTLSMD, bit \[28\]: load/store multiple to device memory does not trap.
    pub ntlsmd: bool,
    /// LSMAOE, bit \[29\]: load/store multiple has its order and atomicity enabled.
    pub lsmaoe: bool,
    /// EnIB, bit \[30\]: pointer authentication with the APIBKey key.
    pub enib: bool,
    /// EnIA, bit \[31\]: pointer authentication with the APIAKey key.
    pub enia: bool,
    /// CMOW, bit \[32\]: some cache maintenance at EL0 needs write permission.
    pub cmow: bool,
    /// MSCEn, bit \[33\]: EL0 may use the memory copy and set instructions.
    pub mscen: bool,
    __: bool,
    /// BT0, bit \[35\]: `PACIASP` is a `BTI` that refuses jumps, at EL0.
    pub bt0: bool,
    /// BT1, bit \[36\]: `PACIASP` is a `BTI` that refuses jumps, at EL1.
    pub bt1: bool,
    /// ITFSB, bit \[37\]: tag check faults are synchronized on entry to EL1.
    pub itfsb: bool,
    /// TCF0, bits \[39:38\]: what a tag check fault at EL0 does.
    #[bits(2, access = RO)]
    pub tcf0: u8,
    /// TCF, bits \[41:40\]: what a tag check fault at EL1 does.
    #[bits(2, access = RO)]
    pub tcf: u8,
    /// ATA0, bit \[42\]: EL0 may reach allocation tags.
    pub ata0: bool,
    /// ATA, bit \[43\]: EL1 may reach allocation tags.
    pub ata: bool,
    /// DSSBS, bit \[44\]: `PSTATE.SSBS` on an exception to EL1.
    pub dssbs: bool,
    /// TWEDEn, bit \[45\]: `WFE` traps are delayed.
    pub tweden: bool,
    /// TWEDEL, bits \[49:46\]: by 2^(TWEDEL + 8) cycles.
    #[bits(4, access = RO)]
    pub twedel: u8,
    /// TMT0, bit \[50\]: transactions at EL0 fail trivially.
    pub tmt0: bool,
    /// TMT, bit \[51\]: transactions at EL1 fail trivially.
    pub tmt: bool,
    /// TME0, bit \[52\]: transactional memory at EL0.
    pub tme0: bool,
    /// TME, bit \[53\]: transactional memory at EL1.
    pub tme: bool,
    /// EnASR, bit \[54\]: EL0 may use `ST64BV`.
    pub enasr: bool,
    /// EnAS0, bit \[55\]: EL0 may use `ST64BV0`.
    pub enas0: bool,
    /// EnALS, bit \[56\]: EL0 may use `LD64B` and `ST64B`.
    pub enals: bool,
    /// EPAN, bit \[57\]: PAN covers pages that EL0 may only execute.
    pub epan: bool,
    /// TCSO0, bit \[58\]: only stores are tag checked at EL0.
    pub tcso0: bool,
    /// TCSO, bit \[59\]: only stores are tag checked at EL1.
    pub tcso: bool,
    /// EnTP2, bit \[60\]: EL0 may reach `TPIDR2_EL0`.
    pub entp2: bool,
    /// NMI, bit \[61\]: interrupts can be non-maskable (FEAT_NMI).
    pub nmi: bool,
    /// SPINTMASK, bit \[62\]: `SP_EL1` as stack pointer masks interrupts; then an exception to EL1
    /// clears `PSTATE.ALLINT`.
    pub spintmask: bool,
    /// TIDCP, bit \[63\]: EL0's implementation defined registers trap.
    pub tidcp: bool,
}

impl SctlrEl1 {
    /// V, bit \[13\] of the AArch32 `SCTLR`: the vectors are at 0xffff_0000.
    #[must_use]
    pub const fn aarch32_v(self) -> bool {
        self.endb()
    }

    /// TRE, bit \[28\] of the AArch32 `SCTLR`: memory types are remapped.
    #[must_use]
    pub const fn aarch32_tre(self) -> bool {
        self.ntlsmd()
    }

    /// AFE, bit \[29\] of the AArch32 `SCTLR`: AP\[0\] of short descriptors is the access flag.
    #[must_use]
    pub const fn aarch32_afe(self) -> bool {
        self.lsmaoe()
    }

    /// TE, bit \[30\] of the AArch32 `SCTLR`: exceptions are taken to T32 code.
    #[must_use]
    pub const fn aarch32_te(self) -> bool {
        self.enib()
    }

    /// UWXN, bit \[20\] of the AArch32 `SCTLR`: what EL0 can write is not executable at EL1.
    #[must_use]
    pub const fn aarch32_uwxn(self) -> bool {
        self.tscxt()
    }

    /// DSSBS, bit \[31\] of the AArch32 `SCTLR`: `CPSR.SSBS` on an exception.
    #[must_use]
    pub const fn aarch32_dssbs(self) -> bool {
        self.enia()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit numbers from DDI 0487, "SCTLR_EL1" and "SCTLR", written here apart from the layout.
    #[test]
    fn what_the_debugger_reads_has_the_bit_of_the_manual() {
        type Get = fn(SctlrEl1) -> bool;
        let flags: [(u32, Get); 19] = [
            (0, |s| s.m()),
            (1, |s| s.a()),
            (2, |s| s.c()),
            (9, |s| s.uma()),
            (12, |s| s.i()),
            (13, |s| s.aarch32_v()),
            (16, |s| s.ntwi()),
            (18, |s| s.ntwe()),
            (19, |s| s.wxn()),
            (20, |s| s.aarch32_uwxn()),
            (23, |s| s.span()),
            (24, |s| s.e0e()),
            (25, |s| s.ee()),
            (28, |s| s.aarch32_tre()),
            (29, |s| s.aarch32_afe()),
            (30, |s| s.aarch32_te()),
            (31, |s| s.aarch32_dssbs()),
            (44, |s| s.dssbs()),
            (62, |s| s.spintmask()),
        ];
        for (bit, get) in flags {
            assert!(get(SctlrEl1::from_bits(1 << bit)), "bit {bit}");
            assert!(!get(SctlrEl1::from_bits(!(1 << bit))), "bit {bit}");
        }
        assert_eq!(SctlrEl1::from_bits(0b10 << 38 | 0b01 << 40).tcf0(), 0b10);
        assert_eq!(SctlrEl1::from_bits(0xa << 46).twedel(), 0xa);
    }
}
