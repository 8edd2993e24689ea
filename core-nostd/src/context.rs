//! A core's whole debug context, saved and restored in the right order.
//!
//! What a hypervisor does when it switches guests, and when it takes the debug hardware for itself: the
//! registers can be changed one at a time only, and at no time in between may a comparator be armed that
//! neither side has asked for. [`DebugRegisters`] is how this module reaches them: system registers at
//! EL2, a probe's memory accesses, or an array in a test.

use crate::comparator::{Bank, Capabilities, MAX_PAIRS};
use crate::registers::{Dbgbcr, Dbgwcr, MdcrEl2, MdscrEl1, OslarEl1, OslsrEl1, SystemRegister};

/// A debug register of a core.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum DebugRegister {
    /// `DBGBVR<n>_EL1`, n from 0 to 15.
    Dbgbvr(u8),
    /// `DBGBCR<n>_EL1`, n from 0 to 15.
    Dbgbcr(u8),
    /// `DBGWVR<n>_EL1`, n from 0 to 15.
    Dbgwvr(u8),
    /// `DBGWCR<n>_EL1`, n from 0 to 15.
    Dbgwcr(u8),
    /// `MDSCR_EL1`.
    MdscrEl1,
    /// `MDCCINT_EL1`, interrupts of the Debug Communications Channel.
    MdccintEl1,
    /// `DBGVCR32_EL2`, vector catch for AArch32 at EL1.
    Dbgvcr32El2,
    /// `OSLAR_EL1`, write-only.
    OslarEl1,
    /// `OSLSR_EL1`, read-only.
    OslsrEl1,
}

impl DebugRegister {
    /// The system register; `None` where n is above 15.
    #[must_use]
    pub const fn system_register(self) -> Option<SystemRegister> {
        match self {
            Self::Dbgbvr(n) => SystemRegister::new(2, 0, 0, n, 4),
            Self::Dbgbcr(n) => SystemRegister::new(2, 0, 0, n, 5),
            Self::Dbgwvr(n) => SystemRegister::new(2, 0, 0, n, 6),
            Self::Dbgwcr(n) => SystemRegister::new(2, 0, 0, n, 7),
            Self::MdscrEl1 => SystemRegister::new(2, 0, 0, 2, 2),
            Self::MdccintEl1 => SystemRegister::new(2, 0, 0, 2, 0),
            Self::Dbgvcr32El2 => SystemRegister::new(2, 4, 0, 7, 0),
            Self::OslarEl1 => SystemRegister::new(2, 0, 1, 0, 4),
            Self::OslsrEl1 => SystemRegister::new(2, 0, 1, 1, 4),
        }
    }

    /// Offset of the external register, of its bits \[31:0\], in the core's debug registers; `None` where it
    /// has none, or n is above 15. The value registers have bits \[63:32\] in the next word.
    #[must_use]
    pub const fn external_offset(self) -> Option<u16> {
        let (base, n) = match self {
            Self::Dbgbvr(n) => (0x400, n),
            Self::Dbgbcr(n) => (0x408, n),
            Self::Dbgwvr(n) => (0x800, n),
            Self::Dbgwcr(n) => (0x808, n),
            Self::OslarEl1 => (OslarEl1::EXTERNAL_OFFSET, 0),
            Self::MdscrEl1 | Self::MdccintEl1 | Self::Dbgvcr32El2 | Self::OslsrEl1 => return None,
        };
        if n < MAX_PAIRS as u8 { Some(base + 16 * n as u16) } else { None }
    }
}

/// Access to the debug registers of one core.
pub trait DebugRegisters {
    /// Why an access failed.
    type Error;

    /// Reads a register.
    ///
    /// # Errors
    /// Where it cannot be reached.
    fn read(&mut self, register: DebugRegister) -> Result<u64, Self::Error>;

    /// Writes a register.
    ///
    /// # Errors
    /// Where it cannot be reached.
    fn write(&mut self, register: DebugRegister, value: u64) -> Result<(), Self::Error>;

    /// Makes all writes so far take effect before any that follow: `ISB` for system registers.
    ///
    /// # Errors
    /// Where the core cannot be reached.
    fn synchronize(&mut self) -> Result<(), Self::Error>;
}

/// Everything that self-hosted debug of one guest or of one host needs to find again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DebugContext {
    /// The comparators.
    pub bank: Bank,
    /// `MDSCR_EL1`.
    pub mdscr_el1: MdscrEl1,
    /// `MDCCINT_EL1`.
    pub mdccint_el1: u64,
    /// `DBGVCR32_EL2`, on a core that has AArch32 at EL1.
    pub dbgvcr32_el2: Option<u64>,
    /// Whether the OS Lock is locked.
    pub os_lock: bool,
}

impl DebugContext {
    /// Reads the context of a core with these comparators. `aarch32` says whether it has AArch32 at EL1
    /// (`ID_AA64PFR0_EL1.EL1` is 2), and with it `DBGVCR32_EL2`.
    ///
    /// # Errors
    /// Where a register cannot be read.
    pub fn save<R: DebugRegisters>(
        registers: &mut R,
        capabilities: &Capabilities,
        aarch32: bool,
    ) -> Result<Self, R::Error> {
        let mut context = Self {
            os_lock: OslsrEl1::from_bits(registers.read(DebugRegister::OslsrEl1)?).oslk(),
            mdscr_el1: MdscrEl1::from_bits(registers.read(DebugRegister::MdscrEl1)?),
            mdccint_el1: registers.read(DebugRegister::MdccintEl1)?,
            ..Self::default()
        };
        if aarch32 {
            context.dbgvcr32_el2 = Some(registers.read(DebugRegister::Dbgvcr32El2)?);
        }
        for (n, pair) in (0..capabilities.breakpoints).zip(&mut context.bank.breakpoints) {
            pair.control = registers.read(DebugRegister::Dbgbcr(n))?;
            pair.value = registers.read(DebugRegister::Dbgbvr(n))?;
        }
        for (n, pair) in (0..capabilities.watchpoints).zip(&mut context.bank.watchpoints) {
            pair.control = registers.read(DebugRegister::Dbgwcr(n))?;
            pair.value = registers.read(DebugRegister::Dbgwvr(n))?;
        }
        Ok(context)
    }

    /// Writes the context into a core with these comparators, whatever they hold.
    ///
    /// No comparator is armed but with a whole pair of this context: first debug exceptions are turned off
    /// and every comparator is disabled, then the values are written, then the controls, last what turns
    /// them on. A pair that others link to is armed before them. The OS Lock is unlocked meanwhile,
    /// because `MDSCR_EL1` writes reach `EDSCR` while it is locked.
    ///
    /// # Errors
    /// Where a register cannot be written. Debug exceptions are then off, unless the last write failed.
    pub fn restore<R: DebugRegisters>(
        &self,
        registers: &mut R,
        capabilities: &Capabilities,
    ) -> Result<(), R::Error> {
        let unlocked = OslarEl1::new().with_oslk(false);
        registers.write(DebugRegister::OslarEl1, unlocked.into_bits())?;
        registers.synchronize()?;
        let quiet = self.mdscr_el1.with_mde(false).with_kde(false).with_ss(false);
        registers.write(DebugRegister::MdscrEl1, quiet.into_bits())?;
        disarm(registers, capabilities)?;

        for (n, pair) in (0..capabilities.breakpoints).zip(&self.bank.breakpoints) {
            registers.write(DebugRegister::Dbgbvr(n), pair.value)?;
        }
        for (n, pair) in (0..capabilities.watchpoints).zip(&self.bank.watchpoints) {
            registers.write(DebugRegister::Dbgwvr(n), pair.value)?;
        }
        registers.synchronize()?;

        // Link targets are the highest-numbered breakpoints, and so come first.
        let mut breakpoints = (0..capabilities.breakpoints).zip(&self.bank.breakpoints);
        while let Some((n, pair)) = breakpoints.next_back() {
            registers.write(DebugRegister::Dbgbcr(n), pair.control)?;
        }
        for (n, pair) in (0..capabilities.watchpoints).zip(&self.bank.watchpoints) {
            registers.write(DebugRegister::Dbgwcr(n), pair.control)?;
        }
        registers.write(DebugRegister::MdccintEl1, self.mdccint_el1)?;
        if let Some(dbgvcr32_el2) = self.dbgvcr32_el2 {
            registers.write(DebugRegister::Dbgvcr32El2, dbgvcr32_el2)?;
        }
        registers.synchronize()?;

        registers.write(DebugRegister::MdscrEl1, self.mdscr_el1.into_bits())?;
        registers.synchronize()?;
        if self.os_lock {
            registers.write(DebugRegister::OslarEl1, OslarEl1::new().with_oslk(true).into_bits())?;
            registers.synchronize()?;
        }
        Ok(())
    }
}

/// Disables every comparator of a core, and returns when none can match any more.
///
/// # Errors
/// Where a register cannot be written.
pub fn disarm<R: DebugRegisters>(registers: &mut R, capabilities: &Capabilities) -> Result<(), R::Error> {
    let pairs = MAX_PAIRS as u8;
    for n in 0..capabilities.breakpoints.min(pairs) {
        registers.write(DebugRegister::Dbgbcr(n), Dbgbcr::new().with_e(false).into_bits())?;
    }
    for n in 0..capabilities.watchpoints.min(pairs) {
        registers.write(DebugRegister::Dbgwcr(n), Dbgwcr::new().with_e(false).into_bits())?;
    }
    registers.synchronize()
}

/// `MDSCR_EL1` of a guest, `guest`, as it is to stand in hardware while a hypervisor debugs that guest:
/// what is enabled is the hypervisor's choice alone, and the guest's own choice waits in `guest`.
///
/// `comparators` enables breakpoint and watchpoint exceptions, `step` software step. KDE is for exceptions
/// that stay at their exception level, which those of a guest do not under [`trap_guest_debug`].
#[must_use]
pub const fn mdscr_for_guest_debug(guest: MdscrEl1, comparators: bool, step: bool) -> MdscrEl1 {
    guest.with_mde(comparators).with_kde(false).with_ss(step)
}

/// `MDCR_EL2` with which the debug exceptions of a guest are taken to EL2, and so are its accesses to debug
/// registers: what it reads and writes must be its own context, not the hypervisor's.
///
/// TDE alone does all of it (DDI 0487, "MDCR_EL2, Monitor Debug Configuration Register (EL2)"); the others
/// are set so that they hold when TDE is cleared again without [`release_guest_debug`].
#[must_use]
pub const fn trap_guest_debug(register: MdcrEl2) -> MdcrEl2 {
    register.with_tde(true).with_tda(true).with_tdosa(true).with_tdra(true)
}

/// `MDCR_EL2` with which a guest has the debug hardware to itself.
#[must_use]
pub const fn release_guest_debug(register: MdcrEl2) -> MdcrEl2 {
    register.with_tde(false).with_tda(false).with_tdosa(false).with_tdra(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breakpoint::{Breakpoint, Context, Instruction};
    use crate::comparator::Pair;
    use crate::pool::{BreakpointPool, Owner, Slots, WatchpointPool};
    use crate::scope::Scope;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    /// Miri, which takes a hundred times as long, sees only some.
    const STEP: usize = if cfg!(miri) { 13 } else { 1 };

    const CAPABILITIES: Capabilities =
        Capabilities { breakpoints: 6, context_aware: 2, watchpoints: 4, ..Capabilities::NONE };

    /// Debug registers whose writes take effect at the next synchronization or at any time before it.
    #[derive(Default)]
    struct Hardware {
        registers: BTreeMap<DebugRegister, u64>,
        /// Values that a register may still or already have, oldest first.
        in_flight: BTreeMap<DebugRegister, Vec<u64>>,
        /// Pairs that may be armed.
        allowed: Vec<Pair>,
        writes_left: Option<usize>,
    }

    impl Hardware {
        fn possible(&self, register: DebugRegister) -> Vec<u64> {
            let mut values = self.in_flight.get(&register).cloned().unwrap_or_default();
            values.push(self.registers.get(&register).copied().unwrap_or(0));
            values
        }

        /// No combination of what the registers may hold arms a pair that nobody asked for.
        fn check(&self) {
            let can_match = self.possible(DebugRegister::MdscrEl1).iter().any(|mdscr| mdscr & 1 << 15 != 0);
            if !can_match {
                return;
            }
            let pairs = (0..16).step_by(STEP).flat_map(|n| {
                [
                    (DebugRegister::Dbgbcr(n), DebugRegister::Dbgbvr(n)),
                    (DebugRegister::Dbgwcr(n), DebugRegister::Dbgwvr(n)),
                ]
            });
            for (control_register, value_register) in pairs {
                for control in self.possible(control_register) {
                    for value in self.possible(value_register) {
                        let pair = Pair { control, value };
                        assert!(!pair.is_enabled() || self.allowed.contains(&pair), "{pair:x?}");
                    }
                }
            }
        }
    }

    impl DebugRegisters for Hardware {
        type Error = ();

        fn read(&mut self, register: DebugRegister) -> Result<u64, ()> {
            assert_ne!(register, DebugRegister::OslarEl1, "write-only");
            Ok(self.registers.get(&register).copied().unwrap_or(0))
        }

        fn write(&mut self, register: DebugRegister, value: u64) -> Result<(), ()> {
            if let Some(left) = &mut self.writes_left {
                *left = left.checked_sub(1).ok_or(())?;
            }
            let locked = self.registers.get(&DebugRegister::OslsrEl1).copied().unwrap_or(0) & 0b10 != 0;
            assert!(register != DebugRegister::MdscrEl1 || !locked, "MDSCR_EL1 while the OS Lock is locked");
            if register == DebugRegister::OslarEl1 {
                self.registers.insert(DebugRegister::OslsrEl1, value << 1 | 0b1000);
            } else {
                let old = self.registers.insert(register, value).unwrap_or(0);
                self.in_flight.entry(register).or_default().push(old);
            }
            self.check();
            Ok(())
        }

        fn synchronize(&mut self) -> Result<(), ()> {
            self.in_flight.clear();
            self.check();
            Ok(())
        }
    }

    fn context(seed: u64, linked: bool) -> DebugContext {
        let mut breakpoints: BreakpointPool = BreakpointPool::new(&CAPABILITIES);
        let mut watchpoints: WatchpointPool = WatchpointPool::new(&CAPABILITIES);
        for n in 0..4 {
            let breakpoint = Breakpoint::at(seed + 4 * n, Instruction::A64, Scope::EL1).unwrap();
            let breakpoint =
                if linked { breakpoint.linked(Context::ContextId(seed as u32)) } else { breakpoint };
            breakpoints.reserve(breakpoint, Owner::GUEST).unwrap();
            let range = crate::address::AddressRange::byte(seed + n);
            let watchpoint =
                crate::watchpoint::Watchpoint::new(range, crate::watchpoint::Access::Write, Scope::EL1);
            watchpoints.reserve(watchpoint, Owner::GUEST).unwrap();
        }
        let mut context = DebugContext {
            mdscr_el1: MdscrEl1::new().with_mde(true).with_kde(true),
            mdccint_el1: seed,
            dbgvcr32_el2: Some(seed + 1),
            ..DebugContext::default()
        };
        breakpoints.arm(&mut context.bank.breakpoints, Slots::NONE);
        watchpoints.arm(&mut context.bank.watchpoints, Slots::NONE);
        context
    }

    fn pairs(context: &DebugContext) -> impl Iterator<Item = Pair> {
        context.bank.breakpoints.into_iter().chain(context.bank.watchpoints)
    }

    #[test]
    fn what_was_restored_is_what_is_saved() {
        let mut hardware = Hardware::default();
        for (seed, os_lock) in [(0x1000, false), (0x2000, true), (0x3000, false)] {
            let context = DebugContext { os_lock, ..context(seed, false) };
            hardware.allowed.extend(pairs(&context));
            context.restore(&mut hardware, &CAPABILITIES).unwrap();
            assert_eq!(DebugContext::save(&mut hardware, &CAPABILITIES, true), Ok(context));
        }
    }

    #[test]
    fn a_switch_never_arms_what_neither_side_asked_for() {
        // The hardware checks itself at each write.
        let linked = [(true, false), (false, true), (false, false), (true, true)];
        for (first_linked, second_linked) in linked.into_iter().step_by(STEP) {
            let (first, second) = (context(0x1000, first_linked), context(0x2000, second_linked));
            let mut hardware =
                Hardware { allowed: pairs(&first).chain(pairs(&second)).collect(), ..Hardware::default() };
            first.restore(&mut hardware, &CAPABILITIES).unwrap();
            second.restore(&mut hardware, &CAPABILITIES).unwrap();
            first.restore(&mut hardware, &CAPABILITIES).unwrap();
        }
    }

    #[test]
    fn what_others_link_to_is_armed_before_them() {
        struct Order(Vec<DebugRegister>);

        impl DebugRegisters for Order {
            type Error = ();

            fn read(&mut self, _: DebugRegister) -> Result<u64, ()> {
                Ok(0)
            }

            fn write(&mut self, register: DebugRegister, value: u64) -> Result<(), ()> {
                let control = matches!(register, DebugRegister::Dbgbcr(_) | DebugRegister::Dbgwcr(_));
                if control && value & 1 != 0 {
                    self.0.push(register);
                }
                Ok(())
            }

            fn synchronize(&mut self) -> Result<(), ()> {
                Ok(())
            }
        }

        let mut order = Order(Vec::new());
        context(0x1000, true).restore(&mut order, &CAPABILITIES).unwrap();
        let breakpoints = [5, 3, 2, 1, 0].map(DebugRegister::Dbgbcr);
        let watchpoints = [0, 1, 2, 3].map(DebugRegister::Dbgwcr);
        assert!(order.0.into_iter().eq(breakpoints.into_iter().chain(watchpoints)));
    }

    #[test]
    fn a_switch_that_fails_half_way_leaves_debug_exceptions_off() {
        let (first, second) = (context(0x1000, false), context(0x2000, true));
        for writes in (1..).step_by(STEP) {
            let mut hardware =
                Hardware { allowed: pairs(&first).chain(pairs(&second)).collect(), ..Hardware::default() };
            first.restore(&mut hardware, &CAPABILITIES).unwrap();
            hardware.writes_left = Some(writes);
            if second.restore(&mut hardware, &CAPABILITIES).is_ok() {
                assert!(writes > 30);
                break;
            }
            let mdscr = MdscrEl1::from_bits(hardware.registers[&DebugRegister::MdscrEl1]);
            // The first write only unlocks the OS Lock.
            assert_eq!(mdscr.mde(), writes == 1, "after {writes} writes");
        }
    }

    #[test]
    fn registers_that_a_core_does_not_have_are_left_alone() {
        let mut hardware = Hardware::default();
        let few = Capabilities { breakpoints: 2, watchpoints: 1, ..CAPABILITIES };
        let context = DebugContext { dbgvcr32_el2: None, ..DebugContext::default() };
        context.restore(&mut hardware, &few).unwrap();
        let mut written: Vec<_> =
            hardware.registers.keys().filter_map(|register| register.external_offset()).collect();
        written.sort_unstable();
        assert_eq!(written, [0x400, 0x408, 0x410, 0x418, 0x800, 0x808]);
        assert!(!hardware.registers.contains_key(&DebugRegister::Dbgvcr32El2));
        assert_eq!(DebugContext::save(&mut hardware, &few, false), Ok(context));
    }

    #[test]
    fn registers_have_the_encodings_and_offsets_of_the_manual() {
        for (register, operands, offset) in [
            (DebugRegister::Dbgbvr(0), (2, 0, 0, 0, 4), Some(0x400)),
            (DebugRegister::Dbgbcr(15), (2, 0, 0, 15, 5), Some(0x4f8)),
            (DebugRegister::Dbgwvr(3), (2, 0, 0, 3, 6), Some(0x830)),
            (DebugRegister::Dbgwcr(1), (2, 0, 0, 1, 7), Some(0x818)),
            (DebugRegister::MdscrEl1, (2, 0, 0, 2, 2), None),
            (DebugRegister::MdccintEl1, (2, 0, 0, 2, 0), None),
            (DebugRegister::Dbgvcr32El2, (2, 4, 0, 7, 0), None),
            (DebugRegister::OslarEl1, (2, 0, 1, 0, 4), Some(0x300)),
            (DebugRegister::OslsrEl1, (2, 0, 1, 1, 4), None),
        ] {
            let (op0, op1, crn, crm, op2) = operands;
            assert_eq!(register.system_register(), SystemRegister::new(op0, op1, crn, crm, op2));
            assert_eq!(register.external_offset(), offset, "{register:?}");
        }
        assert_eq!(DebugRegister::Dbgbvr(16).system_register(), None);
        assert_eq!(DebugRegister::Dbgwcr(16).external_offset(), None);
    }

    #[test]
    fn a_debugged_guest_is_trapped_and_its_own_enables_are_out_of_force() {
        let guest = MdscrEl1::new().with_mde(true).with_kde(true).with_ss(true).with_tdcc(true);
        let tdcc = MdscrEl1::new().with_tdcc(true);
        assert_eq!(mdscr_for_guest_debug(guest, false, false), tdcc);
        assert_eq!(mdscr_for_guest_debug(tdcc, true, true), tdcc.with_mde(true).with_ss(true));
        let mdcr = MdcrEl2::from_bits(0x6);
        assert_eq!(trap_guest_debug(mdcr).into_bits(), 0xf06);
        assert_eq!(release_guest_debug(trap_guest_debug(mdcr)), mdcr);
    }
}
