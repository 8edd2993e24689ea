//! AArch32 views of the AArch64 registers.
//!
//! A core in AArch32 state keeps its registers in those of AArch64, every banked copy in one of its own
//! (DDI 0487, "Mapping of the general-purpose registers between the Execution states"). A backend that
//! reads and writes X registers reaches all of AArch32 state by it.

use crate::registers::{Cpsr, Mode, Pstate, Register, SystemRegister};

/// Whether the engine, and with it all steps, knows AArch32 state: the feature `aarch32`. A constant, so that a
/// program without it has no code for it.
pub const BUILT_IN: bool = cfg!(feature = "aarch32");

/// The state of a core as AArch32 code sees it; `None` in AArch64 state, and where AArch32 is not built in.
pub(crate) const fn state(pstate: Pstate) -> Option<Cpsr> {
    if BUILT_IN { pstate.aarch32() } else { None }
}

/// Whether a core executes AArch32 code, where that is built in.
pub(crate) const fn is_used(pstate: Pstate) -> bool {
    BUILT_IN && pstate.is_aarch32()
}

/// Which AArch64 register holds R0 to R14 as `mode` sees it: the number of an X register.
///
/// `None` for R15, which is the PC, for a mode that is not of AArch32, and for R13 and R14 of Monitor
/// mode, which exist only where EL3 uses AArch32.
#[must_use]
pub const fn x_register(mode: Mode, number: u8) -> Option<u8> {
    let banked = match (mode, number) {
        (mode, _) if !mode.is_aarch32() => return None,
        (Mode::Reserved(_), _) | (_, 15..) | (Mode::Monitor, 13..) => return None,
        (Mode::Fiq, 8..) => 24 - 8 + number,
        (Mode::Hyp, 13) => 15,
        (Mode::Irq, 13) => 17,
        (Mode::Irq, 14) => 16,
        (Mode::Supervisor, 13) => 19,
        (Mode::Supervisor, 14) => 18,
        (Mode::Abort, 13) => 21,
        (Mode::Abort, 14) => 20,
        (Mode::Undefined, 13) => 23,
        (Mode::Undefined, 14) => 22,
        // User and System mode, and LR in Hyp mode, which is User mode's.
        (_, shared) => shared,
    };
    Some(banked)
}

/// Where R0 to R15 lies as `mode` sees it; `None` where there is no such register.
#[must_use]
pub const fn register(mode: Mode, number: u8) -> Option<Register> {
    match number {
        15 if mode.is_aarch32() => Some(Register::Pc),
        _ => match x_register(mode, number) {
            Some(x) => Some(Register::X(x)),
            None => None,
        },
    }
}

/// Where the `SPSR` of `mode` lies; `None` for User and System mode, which have none, and for Monitor
/// mode.
#[must_use]
pub const fn spsr(mode: Mode) -> Option<SystemRegister> {
    match mode {
        Mode::Supervisor => Some(SystemRegister::SPSR_EL1),
        Mode::Hyp => Some(SPSR_EL2),
        Mode::Irq => Some(SPSR_IRQ),
        Mode::Abort => Some(SPSR_ABT),
        Mode::Undefined => Some(SPSR_UND),
        Mode::Fiq => Some(SPSR_FIQ),
        _ => None,
    }
}

// The encodings of SPSR_EL2 and of the banked copies: S3_4_C4_C0_0 and S3_4_C4_C3_<op2>.
const SPSR_EL2: SystemRegister = saved_status(0, 0);
const SPSR_IRQ: SystemRegister = saved_status(3, 0);
const SPSR_ABT: SystemRegister = saved_status(3, 1);
const SPSR_UND: SystemRegister = saved_status(3, 2);
const SPSR_FIQ: SystemRegister = saved_status(3, 3);

const fn saved_status(crm: u16, op2: u16) -> SystemRegister {
    SystemRegister::from_encoding(3 << 14 | 4 << 11 | 4 << 7 | crm << 3 | op2)
}

/// The registers that AArch32 code sees in its current mode.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct View {
    /// R0 to R14.
    pub r: [u32; 15],
    /// R15: the address of the next instruction, without the offset that code reads it with.
    pub pc: u32,
    /// The current program status register.
    pub cpsr: Cpsr,
}

impl View {
    /// From the AArch64 registers of a core in AArch32 state; `None` where it is not, or is in Monitor
    /// or a reserved mode.
    #[must_use]
    pub fn from_aarch64(x: &[u64; 31], pc: u64, pstate: Pstate) -> Option<Self> {
        let cpsr = pstate.aarch32()?;
        let mut r = [0; 15];
        for (number, r) in (0..).zip(&mut r) {
            *r = *x.get(usize::from(x_register(cpsr.mode(), number)?))? as u32;
        }
        Some(Self { r, pc: pc as u32, cpsr })
    }

    /// Writes R0 to R14 to the X registers that hold them in the mode of `cpsr`, with the upper halves
    /// clear; other banked copies stay. Returns the PC, and `PSTATE` with SS as given.
    ///
    /// `None`, and nothing written, where the mode has no such view.
    pub fn to_aarch64(&self, x: &mut [u64; 31], software_step: bool) -> Option<(u64, Pstate)> {
        let mode = self.cpsr.mode();
        // Monitor mode is the one that lacks some registers only.
        x_register(mode, 14)?;
        for (number, r) in (0..).zip(&self.r) {
            *x.get_mut(usize::from(x_register(mode, number)?))? = u64::from(*r);
        }
        Some((u64::from(self.pc), self.cpsr.to_pstate(software_step)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Miri, which takes a hundred times as long, sees only some.
    const STEP: usize = if cfg!(miri) { 31 } else { 1 };

    /// The table of DDI 0487, "Mapping of the general-purpose registers between the Execution states",
    /// X0 to X30 in order.
    const TABLE: [(u8, &[Mode]); 31] = [
        (0, ALL),
        (1, ALL),
        (2, ALL),
        (3, ALL),
        (4, ALL),
        (5, ALL),
        (6, ALL),
        (7, ALL),
        (8, NOT_FIQ),
        (9, NOT_FIQ),
        (10, NOT_FIQ),
        (11, NOT_FIQ),
        (12, NOT_FIQ),
        (13, &[Mode::User, Mode::System]),
        (14, &[Mode::User, Mode::System, Mode::Hyp]),
        (13, &[Mode::Hyp]),
        (14, &[Mode::Irq]),
        (13, &[Mode::Irq]),
        (14, &[Mode::Supervisor]),
        (13, &[Mode::Supervisor]),
        (14, &[Mode::Abort]),
        (13, &[Mode::Abort]),
        (14, &[Mode::Undefined]),
        (13, &[Mode::Undefined]),
        (8, &[Mode::Fiq]),
        (9, &[Mode::Fiq]),
        (10, &[Mode::Fiq]),
        (11, &[Mode::Fiq]),
        (12, &[Mode::Fiq]),
        (13, &[Mode::Fiq]),
        (14, &[Mode::Fiq]),
    ];

    const ALL: &[Mode] = &[
        Mode::User,
        Mode::Fiq,
        Mode::Irq,
        Mode::Supervisor,
        Mode::Abort,
        Mode::Hyp,
        Mode::Undefined,
        Mode::System,
        Mode::Monitor,
    ];

    const NOT_FIQ: &[Mode] = &[
        Mode::User,
        Mode::Irq,
        Mode::Supervisor,
        Mode::Abort,
        Mode::Hyp,
        Mode::Undefined,
        Mode::System,
        Mode::Monitor,
    ];

    #[test]
    fn every_mode_sees_its_own_copies() {
        for bits in 0..32 {
            let mode = Mode::from_bits(bits);
            for number in (0..=255).step_by(STEP) {
                let by_table = TABLE.iter().position(|(r, modes)| *r == number && modes.contains(&mode));
                let expected = by_table.map(|x| x as u8);
                assert_eq!(x_register(mode, number), expected, "R{number} in {mode}");
                let expected = match number {
                    15 if bits >= 16 => Some(Register::Pc),
                    _ => expected.map(Register::X),
                };
                assert_eq!(register(mode, number), expected);
            }
        }
    }

    #[test]
    fn a_view_goes_back_to_where_it_came_from() {
        let before: [u64; 31] = core::array::from_fn(|number| 0x5a5a_0000_1000 + number as u64);
        for &mode in ALL {
            let pstate = Pstate::from_bits(0x6100_0020 | u64::from(mode.into_bits()));
            let Some(view) = View::from_aarch64(&before, 0xffff_0000_8000, pstate) else {
                assert_eq!(mode, Mode::Monitor);
                continue;
            };
            assert!(view.cpsr.t() && view.cpsr.dit());
            assert_eq!(view.pc, 0x8000);
            let mut after = before;
            let changed = View { r: view.r.map(|value| value + 0x100), ..view };
            assert_eq!(changed.to_aarch64(&mut after, false), Some((0x8000, pstate)));
            for (x, (before, after)) in before.iter().zip(after).enumerate() {
                let seen = (0..15).any(|number| x_register(mode, number) == Some(x as u8));
                let expected = if seen { (before + 0x100) & 0xffff_ffff } else { *before };
                assert_eq!(after, expected, "X{x} in {mode}");
            }
        }
    }

    #[test]
    fn a_mode_without_a_view_writes_nothing() {
        let mut x = [7; 31];
        let view = View { r: [1; 15], pc: 0, cpsr: Cpsr::new().with_mode(Mode::Monitor) };
        assert_eq!(view.to_aarch64(&mut x, false), None);
        assert_eq!(x, [7; 31]);
        assert_eq!(View::from_aarch64(&x, 0, Pstate::from_bits(0b0_0101)), None);
    }

    #[test]
    fn saved_status_registers_are_those_of_the_manual() {
        for (mode, expected) in [
            (Mode::Supervisor, SystemRegister::new(3, 0, 4, 0, 0)),
            (Mode::Hyp, SystemRegister::new(3, 4, 4, 0, 0)),
            (Mode::Irq, SystemRegister::new(3, 4, 4, 3, 0)),
            (Mode::Abort, SystemRegister::new(3, 4, 4, 3, 1)),
            (Mode::Undefined, SystemRegister::new(3, 4, 4, 3, 2)),
            (Mode::Fiq, SystemRegister::new(3, 4, 4, 3, 3)),
            (Mode::User, None),
            (Mode::System, None),
            (Mode::El1h, None),
        ] {
            assert_eq!(spsr(mode), expected, "{mode}");
        }
    }
}
