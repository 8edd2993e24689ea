//! Quiet steps of AArch32 code under an EL1 that uses AArch32, against a small model of a core that
//! executes each instruction with the masks that it is given.

#![cfg(feature = "aarch32")]
#![expect(clippy::panic, reason = "the model of the core stops the test at what it does not know")]

use std::collections::HashMap;

use trapline_core::aarch32::{spsr, x_register};
use trapline_core::registers::{Cpsr, Mode, Pstate};
use trapline_core::stepping::{AfterStep, ExceptionRegisters, ExceptionSources, QuietStep};
use trapline_core::target::{Register, SystemRegister};

/// Miri, which takes a hundred times as long, sees only some.
const STEP: usize = if cfg!(miri) { 7 } else { 1 };

const VBAR: u64 = 0xc000_0020;
const PC: u32 = 0x8004;

/// Registers by name; X registers hold the banked ones.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Core {
    pc: u32,
    cpsr: Cpsr,
    registers: HashMap<Register, u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Completes,
    Undefined,
    Call,
    PrefetchAbort,
    DataAbort,
    /// It completes, and an IRQ that it unmasked is taken at once.
    CompletesThenIrq,
    /// The same with an FIQ.
    CompletesThenFiq,
    /// Another debug event stops the core before the instruction.
    NotExecuted,
}

/// An instruction with its 4 bytes in memory and its length, and what it does.
#[derive(Clone, Copy, Debug)]
struct Code {
    word: u32,
    length: u32,
    action: Action,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Nothing,
    /// `CPSID` and `CPSIE`: set or not, and the bits of CPSR.
    Change(bool, u32),
    /// `MSR CPSR_<fields>, R3`: the masks that it writes.
    Write(u32),
    /// `MRS Rd, CPSR`.
    Read(u8),
    /// `SUBS PC, LR, #4`.
    Return,
    Call,
}

const fn a32(word: u32, action: Action) -> Code {
    Code { word, length: 4, action }
}

const fn t32(word: u32, length: u32, action: Action) -> Code {
    Code { word, length, action }
}

/// Words from an assembler.
const A32: [Code; 13] = [
    a32(0xe320_f000, Action::Nothing),             // nop
    a32(0xf10c_0080, Action::Change(true, 0x80)),  // cpsid i
    a32(0xf10c_01c0, Action::Change(true, 0x1c0)), // cpsid aif
    a32(0xf108_00c0, Action::Change(false, 0xc0)), // cpsie if
    a32(0xe121_f003, Action::Write(0xc0)),         // msr cpsr_c, r3
    a32(0xe122_f003, Action::Write(0x100)),        // msr cpsr_x, r3
    a32(0xe128_f003, Action::Write(0)),            // msr cpsr_f, r3
    a32(0x0121_f003, Action::Nothing),             // msreq cpsr_c, r3, Z clear
    a32(0x1121_f003, Action::Write(0xc0)),         // msrne cpsr_c, r3
    a32(0xe10f_4000, Action::Read(4)),             // mrs r4, cpsr
    a32(0xe10f_e000, Action::Read(14)),            // mrs lr, cpsr
    a32(0xe25e_f004, Action::Return),              // subs pc, lr, #4
    a32(0xef00_0000, Action::Call),                // svc #0
];

const T32: [Code; 10] = [
    t32(0xbf00, 2, Action::Nothing),                  // nop
    t32(0xb672, 2, Action::Change(true, 0x80)),       // cpsid i
    t32(0xb663, 2, Action::Change(false, 0xc0)),      // cpsie if
    t32(0x87f3_f3af, 4, Action::Change(true, 0x1c0)), // cpsid.w aif, #19
    t32(0x8100_f383, 4, Action::Write(0xc0)),         // msr cpsr_c, r3
    t32(0x8f00_f383, 4, Action::Write(0x1c0)),        // msr cpsr_fsxc, r3
    t32(0x8400_f3ef, 4, Action::Read(4)),             // mrs r4, cpsr
    t32(0x8e00_f3ef, 4, Action::Read(14)),            // mrs lr, cpsr
    t32(0x8f04_f3de, 4, Action::Return),              // subs pc, lr, #4
    t32(0xdf00, 2, Action::Call),                     // svc #0
];

impl Core {
    fn new(mode: Mode, thumb: bool, masks: u32) -> Self {
        let mut registers: HashMap<_, _> =
            (0..31).map(|x| (Register::X(x), 0x4000 + 0x100 * u64::from(x))).collect();
        registers.insert(Register::X(3), 0x2000_0080 | u64::from(mode.into_bits()));
        for mode in [Mode::Supervisor, Mode::Abort, Mode::Undefined, Mode::Irq, Mode::Fiq] {
            registers.insert(saved_status(mode), 0x4000_0050);
        }
        let cpsr = Cpsr::from_bits(0x8000_0000 | masks).with_t(thumb).with_mode(mode);
        Self { pc: PC, cpsr, registers }
    }

    fn x(&self, number: u8) -> Register {
        Register::X(x_register(self.cpsr.mode(), number).unwrap_or_else(|| panic!("no R{number}")))
    }

    /// `AArch32.EnterMode`, with the link values of "Link values saved on exception entry".
    fn take_exception(&mut self, mode: Mode, vector: u32, link: u32, masks: u32) {
        let saved = self.cpsr;
        let bits = saved.into_bits() & !0x0600_fc20 | masks;
        self.cpsr = Cpsr::from_bits(bits).with_mode(mode).with_il(false);
        let link_register = self.x(14);
        self.registers.insert(link_register, u64::from(link));
        self.registers.insert(saved_status(mode), u64::from(saved.into_bits()));
        self.pc = VBAR as u32 + vector;
    }

    fn execute(&mut self, code: Code) {
        let bits = self.cpsr.into_bits();
        let privileged = self.cpsr.mode() != Mode::User;
        self.pc += code.length;
        match code.action {
            Action::Nothing | Action::Call => {}
            Action::Change(true, masks) if privileged => self.cpsr = Cpsr::from_bits(bits | masks),
            Action::Change(false, masks) if privileged => self.cpsr = Cpsr::from_bits(bits & !masks),
            Action::Write(masks) if privileged => {
                let value = self.registers[&Register::X(3)] as u32;
                self.cpsr = Cpsr::from_bits(bits & !masks | value & masks);
            }
            Action::Read(number) if privileged => {
                let register = self.x(number);
                self.registers.insert(register, u64::from(bits & 0xf8ff_03df));
            }
            Action::Return => {
                self.pc = self.registers[&self.x(14)] as u32 - 4;
                let saved = self.registers[&saved_status(self.cpsr.mode())] as u32;
                self.cpsr = Cpsr::from_bits(saved);
            }
            _ => {}
        }
    }

    fn step(&mut self, code: Code, outcome: Outcome) {
        let (thumb, next) = (self.cpsr.t(), self.pc + code.length);
        match outcome {
            Outcome::NotExecuted => {}
            Outcome::Completes => self.execute(code),
            Outcome::Undefined => {
                self.take_exception(Mode::Undefined, 0x04, self.pc + if thumb { 2 } else { 4 }, 0x80);
            }
            Outcome::Call => self.take_exception(Mode::Supervisor, 0x08, next, 0x80),
            Outcome::PrefetchAbort => self.take_exception(Mode::Abort, 0x0c, self.pc + 4, 0x180),
            Outcome::DataAbort => self.take_exception(Mode::Abort, 0x10, self.pc + 8, 0x180),
            Outcome::CompletesThenIrq => {
                self.execute(code);
                if !self.cpsr.i() {
                    self.take_exception(Mode::Irq, 0x18, self.pc + 4, 0x180);
                }
            }
            Outcome::CompletesThenFiq => {
                self.execute(code);
                if !self.cpsr.f() {
                    self.take_exception(Mode::Fiq, 0x1c, self.pc + 4, 0x1c0);
                }
            }
        }
    }
}

fn saved_status(mode: Mode) -> Register {
    Register::System(spsr(mode).unwrap_or(SystemRegister::SPSR_EL1))
}

fn quiet_step(core: &mut Core, code: Code, outcome: Outcome) {
    let (plan, run) = QuietStep::begin(u64::from(core.pc), Some(code.word), core.cpsr.to_pstate(false));
    assert_eq!(run.aarch32(), Some(Cpsr::from_bits(core.cpsr.into_bits() | 0x1c0)));
    core.cpsr = Cpsr::from_bits(core.cpsr.into_bits() | 0x1c0);
    core.step(code, outcome);
    let (pc, pstate) = (u64::from(core.pc), core.cpsr.to_pstate(false));
    let exception = plan.needs_exception_registers(pc, pstate).then(|| {
        let sources = ExceptionSources::of(pstate).unwrap_or_else(|| panic!("no sources"));
        ExceptionRegisters {
            vbar_el1: VBAR,
            elr_el1: core.registers[&sources.return_address],
            spsr_el1: Pstate::from_bits(core.registers[&Register::System(sources.saved_status)]),
        }
    });
    for (register, value) in plan.end(&AfterStep { pc, pstate, exception }).writes() {
        if register == Register::Pstate {
            core.cpsr = Pstate::from_bits(value).aarch32().unwrap_or_else(|| panic!("not AArch32"));
        } else {
            core.registers.insert(register, value);
        }
    }
}

#[test]
fn a_quiet_step_ends_as_a_plain_step_would() {
    let outcomes = [
        Outcome::Completes,
        Outcome::Undefined,
        Outcome::Call,
        Outcome::PrefetchAbort,
        Outcome::DataAbort,
        Outcome::CompletesThenIrq,
        Outcome::CompletesThenFiq,
        Outcome::NotExecuted,
    ];
    let modes =
        [Mode::User, Mode::System, Mode::Supervisor, Mode::Abort, Mode::Undefined, Mode::Irq, Mode::Fiq];
    let mut compared = 0;
    for (thumb, codes) in [(false, &A32[..]), (true, &T32[..])] {
        for &code in codes.iter().step_by(STEP) {
            for outcome in outcomes {
                if (code.action == Action::Call) != (outcome == Outcome::Call)
                    && outcome != Outcome::NotExecuted
                {
                    continue;
                }
                for mode in modes {
                    if code.action == Action::Return && matches!(mode, Mode::User | Mode::System) {
                        continue; // Unpredictable.
                    }
                    for masks in (0..8).step_by(STEP).map(|masks| masks << 6) {
                        let start = Core::new(mode, thumb, masks);
                        let (mut plain, mut quiet) = (start.clone(), start);
                        quiet_step(&mut quiet, code, outcome);
                        // Only an interrupt that the instruction itself lets in comes in.
                        let came_in = matches!(quiet.pc, 0xc000_0038 | 0xc000_003c);
                        let outcome = match outcome {
                            Outcome::CompletesThenIrq | Outcome::CompletesThenFiq if !came_in => {
                                Outcome::Completes
                            }
                            other => other,
                        };
                        plain.step(code, outcome);
                        assert_eq!(quiet, plain, "{code:x?} {outcome:?} {mode} {masks:#x}");
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 5_000 / (STEP * STEP), "{compared}");
}

#[test]
fn high_vectors_are_known_without_sctlr() {
    let before = Pstate::from_bits(0x13);
    let (plan, run) = QuietStep::begin(0x8000, Some(0xe590_1000), before);
    let pstate = Pstate::from_bits(0x1d7);
    let saved = ExceptionRegisters { vbar_el1: 0, elr_el1: 0x8008, spsr_el1: run };
    assert!(plan.needs_exception_registers(0xffff_0010, pstate));
    let fixups = plan.end(&AfterStep { pc: 0xffff_0010, pstate, exception: Some(saved) });
    assert_eq!(fixups.spsr_aarch32.map(|(_, spsr)| spsr), Some(before));
    assert_eq!(fixups.pstate, Some(Pstate::from_bits(0x197)), "a data abort leaves F alone");
}
