//! The debug registers of the core that executes this, by `MRS` and `MSR`.
//!
//! Encodings are those of DDI 0487, "AArch64 System Register Descriptions", each register's "Accessing"
//! table; most assemblers know the names, but not those of the extended registers.
#![expect(unsafe_code, reason = "an access to a system register is an instruction")]

use core::arch::asm;
use core::fmt;
use core::marker::PhantomData;

use crate::comparator::Capabilities;
use crate::context::{DebugRegister, DebugRegisters};
use crate::registers::{IdAa64dfr0El1, IdAa64dfr1El1, IdAa64dfr2El1, MdcrEl2};

/// The debug registers of the core that executes, at EL2.
///
/// It stays on its core: it is neither [`Send`] nor [`Sync`].
#[derive(Debug)]
pub struct SystemRegisters {
    capabilities: Capabilities,
    /// How many pairs there are in all banks.
    breakpoints: u8,
    watchpoints: u8,
    aarch32: bool,
    core: PhantomData<*const ()>,
}

/// The core has no such debug register, or not for this kind of access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct NoSuchDebugRegister(pub DebugRegister);

impl fmt::Display for NoSuchDebugRegister {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the core has no such debug register: ")?;
        match self.0.system_register() {
            Some(register) => register.fmt(f),
            None => f.write_str("its number is above 15, in another bank"),
        }
    }
}

impl core::error::Error for NoSuchDebugRegister {}

/// Reads a system register.
macro_rules! mrs {
    ($($name:literal),+) => {{
        let value: u64;
        // SAFETY: the register exists, as the caller says, and this runs at EL2, as `SystemRegisters::new`
        // was promised: so the access is not UNDEFINED, and nothing traps it but EL3, whose business that
        // is. Reading a debug, identification or configuration register has no effect (DDI 0487, "AArch64
        // System Register Descriptions").
        unsafe { asm!(concat!("mrs {}, ", $($name),+), out(reg) value, options(nomem, nostack, preserves_flags)) };
        value
    }};
}

/// Writes a system register.
macro_rules! msr {
    ($value:expr, $($name:literal),+) => {{
        let value: u64 = $value;
        // SAFETY: as for reads, the access is not UNDEFINED. None of the registers that are written here
        // changes what memory holds or how it is reached. What they can do is raise debug exceptions, at
        // EL2 only where MDSCR_EL1.KDE is set and PSTATE.D clear (DDI 0487, "Enabling debug exceptions from
        // the current Exception level and Security state"), which `SystemRegisters::new` was promised does not happen.
        unsafe { asm!(concat!("msr ", $($name),+, ", {}"), in(reg) value, options(nostack, preserves_flags)) };
    }};
}

/// `S2_0_C0_C<n>_<op2>`, of the bank that is selected.
macro_rules! numbered {
    ($access:ident!, $number:expr, $op2:literal $(, $value:expr)?) => {
        match $number & 0xf {
            0 => $access!($($value,)? "S2_0_C0_C0_", $op2),
            1 => $access!($($value,)? "S2_0_C0_C1_", $op2),
            2 => $access!($($value,)? "S2_0_C0_C2_", $op2),
            3 => $access!($($value,)? "S2_0_C0_C3_", $op2),
            4 => $access!($($value,)? "S2_0_C0_C4_", $op2),
            5 => $access!($($value,)? "S2_0_C0_C5_", $op2),
            6 => $access!($($value,)? "S2_0_C0_C6_", $op2),
            7 => $access!($($value,)? "S2_0_C0_C7_", $op2),
            8 => $access!($($value,)? "S2_0_C0_C8_", $op2),
            9 => $access!($($value,)? "S2_0_C0_C9_", $op2),
            10 => $access!($($value,)? "S2_0_C0_C10_", $op2),
            11 => $access!($($value,)? "S2_0_C0_C11_", $op2),
            12 => $access!($($value,)? "S2_0_C0_C12_", $op2),
            13 => $access!($($value,)? "S2_0_C0_C13_", $op2),
            14 => $access!($($value,)? "S2_0_C0_C14_", $op2),
            _ => $access!($($value,)? "S2_0_C0_C15_", $op2),
        }
    };
}

impl SystemRegisters {
    /// The registers of this core, as its ID registers describe them.
    ///
    /// # Safety
    /// For as long as the value lives, its owner executes at EL2 of the core that this is called on, in
    /// AArch64 state and with `PSTATE.D` set, and changes debug registers through it alone.
    #[must_use]
    pub unsafe fn new() -> Self {
        let dfr0 = IdAa64dfr0El1::from_bits(mrs!("ID_AA64DFR0_EL1"));
        // The encodings of these two read as zero where the registers do not exist.
        let dfr1 = IdAa64dfr1El1::from_bits(mrs!("S3_0_C0_C5_1"));
        let dfr2 = IdAa64dfr2El1::from_bits(mrs!("S3_0_C0_C5_2"));
        let all =
            |field: u8, wide_field: u8| if wide_field == 0 { field + 1 } else { wide_field.min(63) + 1 };
        Self {
            capabilities: Capabilities::from_id_registers(dfr0, dfr1, dfr2).with_dczid(mrs!("DCZID_EL0")),
            breakpoints: all(dfr0.brps().get(), dfr1.brps()),
            watchpoints: all(dfr0.wrps().get(), dfr1.wrps()),
            // ID_AA64PFR0_EL1.EL1, bits [7:4]: 2 where EL1 can use AArch32.
            aarch32: mrs!("ID_AA64PFR0_EL1") >> 4 & 0xf == 2,
            core: PhantomData,
        }
    }

    /// What the core's debug hardware offers, of the first bank.
    #[must_use]
    pub const fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// Whether EL1 can use AArch32, and there is a `DBGVCR32_EL2`.
    #[must_use]
    pub const fn has_aarch32(&self) -> bool {
        self.aarch32
    }

    /// Reads `MDCR_EL2`.
    #[must_use]
    pub fn mdcr_el2(&self) -> MdcrEl2 {
        MdcrEl2::from_bits(mrs!("MDCR_EL2"))
    }

    /// Writes `MDCR_EL2`. It takes effect with the exception return to the guest at the latest.
    pub fn set_mdcr_el2(&mut self, value: MdcrEl2) {
        msr!(value.into_bits(), "MDCR_EL2");
    }

    /// Whether there is a pair of this number; selects its bank, where there is more than one
    /// (FEAT_Debugv8p9).
    ///
    /// At EL2 `MDSELR_EL1.BANK` counts only where `MDCR_EL2.EBWE` is set, and as 0 otherwise (DDI 0487, "Accessing
    /// breakpoint System registers").
    fn select(&mut self, number: u8, count: u8) -> bool {
        if number >= count {
            return false;
        }
        if self.breakpoints > 16 || self.watchpoints > 16 {
            let (bank, mdcr_el2) = (u64::from(number >> 4), self.mdcr_el2());
            if bank != 0 && !mdcr_el2.ebwe() {
                self.set_mdcr_el2(mdcr_el2.with_ebwe(true));
                barrier();
            }
            if bank != 0 || mdcr_el2.ebwe() {
                // MDSELR_EL1.BANK, bits [5:4].
                msr!(bank << 4, "S2_0_C0_C4_2");
                barrier();
            }
        }
        true
    }
}

impl DebugRegisters for SystemRegisters {
    type Error = NoSuchDebugRegister;

    fn read(&mut self, register: DebugRegister) -> Result<u64, NoSuchDebugRegister> {
        let (breakpoints, watchpoints) = (self.breakpoints, self.watchpoints);
        Ok(match register {
            DebugRegister::Dbgbvr(n) if self.select(n, breakpoints) => numbered!(mrs!, n, "4"),
            DebugRegister::Dbgbcr(n) if self.select(n, breakpoints) => numbered!(mrs!, n, "5"),
            DebugRegister::Dbgwvr(n) if self.select(n, watchpoints) => numbered!(mrs!, n, "6"),
            DebugRegister::Dbgwcr(n) if self.select(n, watchpoints) => numbered!(mrs!, n, "7"),
            DebugRegister::MdscrEl1 => mrs!("MDSCR_EL1"),
            DebugRegister::MdccintEl1 => mrs!("MDCCINT_EL1"),
            DebugRegister::Dbgvcr32El2 if self.aarch32 => mrs!("DBGVCR32_EL2"),
            DebugRegister::OslsrEl1 => mrs!("OSLSR_EL1"),
            _ => return Err(NoSuchDebugRegister(register)),
        })
    }

    fn write(&mut self, register: DebugRegister, value: u64) -> Result<(), NoSuchDebugRegister> {
        let (breakpoints, watchpoints) = (self.breakpoints, self.watchpoints);
        match register {
            DebugRegister::Dbgbvr(n) if self.select(n, breakpoints) => numbered!(msr!, n, "4", value),
            DebugRegister::Dbgbcr(n) if self.select(n, breakpoints) => numbered!(msr!, n, "5", value),
            DebugRegister::Dbgwvr(n) if self.select(n, watchpoints) => numbered!(msr!, n, "6", value),
            DebugRegister::Dbgwcr(n) if self.select(n, watchpoints) => numbered!(msr!, n, "7", value),
            DebugRegister::MdscrEl1 => msr!(value, "MDSCR_EL1"),
            DebugRegister::MdccintEl1 => msr!(value, "MDCCINT_EL1"),
            DebugRegister::Dbgvcr32El2 if self.aarch32 => msr!(value, "DBGVCR32_EL2"),
            DebugRegister::OslarEl1 => msr!(value, "OSLAR_EL1"),
            _ => return Err(NoSuchDebugRegister(register)),
        }
        Ok(())
    }

    fn synchronize(&mut self) -> Result<(), NoSuchDebugRegister> {
        barrier();
        Ok(())
    }
}

/// Context synchronization: system registers that were written are in effect behind it.
fn barrier() {
    // SAFETY: a barrier changes nothing by itself (DDI 0487, "ISB").
    unsafe { asm!("isb", options(nostack, preserves_flags)) };
}
