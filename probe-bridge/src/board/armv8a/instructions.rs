//! The A64 instructions that a debugger has a core execute in Debug state (DDI 0487, "Executing instructions in Debug
//! state").

use trapline_core::target::SystemRegister;

/// `MSR DBGDTR_EL0, X<t>`: to the debugger.
pub(super) const fn send(t: u8) -> u32 {
    0xd513_0400 | t as u32
}

/// `MRS X<t>, DBGDTR_EL0`: from the debugger.
pub(super) const fn receive(t: u8) -> u32 {
    0xd533_0400 | t as u32
}

/// `MRS X0, <register>`.
pub(super) const fn read_system(register: SystemRegister) -> u32 {
    0xd520_0000 | (register.encoding() as u32) << 5
}

/// `MSR <register>, X0`.
pub(super) const fn write_system(register: SystemRegister) -> u32 {
    0xd500_0000 | (register.encoding() as u32) << 5
}

/// `UMOV X0, V<n>.D[<half>]`.
pub(super) const fn read_vector(n: u8, high: bool) -> u32 {
    0x4e08_3c00 | (high as u32) << 20 | (n as u32) << 5
}

/// `INS V<n>.D[<half>], X0`.
pub(super) const fn write_vector(n: u8, high: bool) -> u32 {
    0x4e08_1c00 | (high as u32) << 20 | n as u32
}

/// `MOV X0, SP`.
pub(super) const READ_SP: u32 = 0x9100_03e0;
/// `MOV SP, X0`.
pub(super) const WRITE_SP: u32 = 0x9100_001f;
/// `MSR SPSel, #1`.
pub(super) const OWN_SP: u32 = 0xd500_41bf;
/// `DCPS1`: to EL1.
pub(super) const DCPS1: u32 = 0xd4a0_0001;
/// `IC IALLUIS`, `DSB SY`, `ISB`.
pub(super) const SYNCHRONIZE: [u32; 3] = [0xd508_711f, SYNCHRONIZE_DATA, SYNCHRONIZE_CONTEXT];

/// `LDR W1, [X0], #4` and the same for a byte; `STR` likewise.
pub(super) const LOAD_WORD: u32 = 0xb840_4401;
/// As above.
pub(super) const LOAD_BYTE: u32 = 0x3840_1401;
/// As above.
pub(super) const STORE_WORD: u32 = 0xb800_4401;
/// As above.
pub(super) const STORE_BYTE: u32 = 0x3800_1401;
/// `MSR DBGDTRTX_EL0, X1`.
pub(super) const SEND_WORD: u32 = 0xd513_0501;
/// `MRS X1, DBGDTRRX_EL0`.
pub(super) const RECEIVE_WORD: u32 = 0xd533_0501;
/// `DC CIVAC, X0`.
pub(super) const CLEAN_AND_INVALIDATE: u32 = 0xd50b_7e20;
/// `DSB SY`.
pub(super) const SYNCHRONIZE_DATA: u32 = 0xd503_3f9f;
/// `ISB`.
pub(super) const SYNCHRONIZE_CONTEXT: u32 = 0xd503_3fdf;

/// Registers that Debug state has for the state to return to.
pub(super) const DLR_EL0: SystemRegister = SystemRegister::from_encoding(encoding(3, 3, 4, 5, 1));
/// As above.
pub(super) const DSPSR_EL0: SystemRegister = SystemRegister::from_encoding(encoding(3, 3, 4, 5, 0));
/// `FPCR`.
pub(super) const FPCR: SystemRegister = SystemRegister::from_encoding(encoding(3, 3, 4, 4, 0));
/// `FPSR`.
pub(super) const FPSR: SystemRegister = SystemRegister::from_encoding(encoding(3, 3, 4, 4, 1));

const fn encoding(op0: u16, op1: u16, crn: u16, crm: u16, op2: u16) -> u16 {
    op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_an_assemblers() {
        assert_eq!(read_system(SystemRegister::SCTLR_EL1), 0xd538_1000);
        assert_eq!(write_system(SystemRegister::SCTLR_EL1), 0xd518_1000);
        assert_eq!(read_system(DLR_EL0), 0xd53b_4520);
        assert_eq!(write_system(DSPSR_EL0), 0xd51b_4500);
        assert_eq!(read_system(FPSR), 0xd53b_4420);
        assert_eq!(read_vector(31, true), 0x4e18_3fe0, "umov x0, v31.d[1]");
        assert_eq!(write_vector(7, false), 0x4e08_1c07, "ins v7.d[0], x0");
        assert_eq!((send(3), receive(0)), (0xd513_0403, 0xd533_0400));
    }
}
