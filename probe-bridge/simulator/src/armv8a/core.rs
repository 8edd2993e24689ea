//! One core: its registers, its debug unit, and what happens between two instructions.

use super::a64::execute;
use super::cti::Cti;
use super::external::{External, Request, status};
use super::state::{Pstate, State};
use super::system_registers::{CNTV_CTL_EL0, CNTV_CVAL_EL0, ELR_EL1, ESR_EL1, FAR_EL1, SPSR_EL1, VBAR_EL1};
use super::translation::{EXTERNAL, Purpose, translate};
use super::trap::{Exception, Trap};
use crate::machine::Machine;

/// The virtual timer's private interrupt.
const TIMER: u32 = 27;
/// Instructions that the debugger's memory access mode executes.
const STORE_WORD: u32 = 0xb800_4401; // STR W1, [X0], #4
const LOAD_WORD: u32 = 0xb840_4401; // LDR W1, [X0], #4
const READ_RX: u32 = 0xd533_0501; // MRS X1, DBGDTRRX_EL0
const WRITE_TX: u32 = 0xd513_0501; // MSR DBGDTRTX_EL0, X1

/// What a core asks of the board after an instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Nothing was executed: it is halted or has no power.
    Nothing,
    /// An instruction was executed, or an exception taken.
    Executed,
    /// It waits for an interrupt.
    Waits,
    /// It has entered Debug state.
    Halted,
    /// It calls the board's firmware.
    Calls,
}

/// One core.
#[derive(Clone, Debug)]
pub struct Core {
    /// Its registers.
    pub state: State,
    /// Its debug unit.
    pub external: External,
    /// Its cross-trigger interface.
    pub cti: Cti,
    /// Whether it has been started.
    pub started: bool,
    /// It has executed `WFI`, and no interrupt has come yet.
    waiting: bool,
    /// A halting step is complete; STATUS for its entry to Debug state.
    stepped: Option<u32>,
}

impl Core {
    /// After reset.
    #[must_use]
    pub fn new(number: usize, entry: u64) -> Self {
        Self {
            state: State::new(number, entry),
            external: External::new(),
            cti: Cti::new(),
            started: true,
            waiting: false,
            stepped: None,
        }
    }

    /// Begins anew at `entry`. What a warm reset leaves, the debugger's registers, stays.
    pub fn reset(&mut self, entry: u64) {
        self.state = State::new(self.state.number, entry);
        self.external.set_reset(false);
        (self.stepped, self.waiting) = (None, false);
        self.started = true;
        if self.external.catches_reset() {
            self.halt(status::RESET_CATCH);
        }
    }

    /// Is held in reset.
    pub fn hold_in_reset(&mut self) {
        self.external.set_reset(true);
        self.started = false;
    }

    /// Whether it would execute something.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.started && self.external.powered && !self.external.is_halted()
    }

    /// Executes one instruction, or does what comes before it.
    pub fn step(&mut self, machine: &mut Machine) -> Outcome {
        if !self.is_running() {
            return Outcome::Nothing;
        }
        if let Some(status) = self.stepped.take()
            && self.external.halting_allowed()
        {
            return self.halt(status);
        }
        if self.cti.debug_request() && self.external.halting_allowed() {
            return self.halt(status::EXTERNAL);
        }
        self.update_timer(machine);
        let interrupt = machine.gic.irq(self.state.number);
        if self.waiting && !interrupt {
            return Outcome::Waits;
        }
        self.waiting = false;
        if interrupt && !self.state.pstate.has(Pstate::I) && !self.external.interrupts_disabled() {
            self.enter_exception(0x80, self.state.pc);
            return self.executed(status::STEP);
        }
        if self.external.comparators_halt() && self.external.comparators.breakpoint_matches(&self.state) {
            return self.halt(status::BREAKPOINT);
        }
        self.fetch_and_execute(machine)
    }

    fn fetch_and_execute(&mut self, machine: &mut Machine) -> Outcome {
        let pc = self.state.pc;
        self.state.next_pc = pc.wrapping_add(4);
        let mut exclusive = false;
        let result = fetch(&self.state, machine).and_then(|instruction| {
            exclusive = instruction & 0x3f40_0000 == 0x0840_0000;
            execute(&mut self.state, &mut self.external, machine, instruction)
        });
        match result {
            Ok(()) => {
                self.state.pc = self.state.next_pc;
                self.executed(if exclusive { status::STEP_EXCLUSIVE } else { status::STEP })
            }
            Err(Trap::Wait) => {
                self.state.pc = self.state.next_pc;
                self.waiting = true;
                self.executed(status::STEP)
            }
            Err(Trap::Call) => {
                self.state.pc = self.state.next_pc;
                self.executed(status::STEP);
                Outcome::Calls
            }
            Err(Trap::Watchpoint { address }) => {
                self.external.watched = address;
                self.halt(status::WATCHPOINT)
            }
            Err(Trap::Halt) => self.halt(status::HLT),
            Err(Trap::Exception(exception)) => {
                self.take(exception);
                self.executed(status::STEP)
            }
        }
    }

    /// After an instruction or an exception: a halting step is complete.
    fn executed(&mut self, status: u32) -> Outcome {
        if self.external.steps() && self.external.halting_allowed() {
            self.stepped = Some(status);
        }
        Outcome::Executed
    }

    fn halt(&mut self, status: u32) -> Outcome {
        (self.stepped, self.waiting) = (None, false);
        self.external.enter(status, self.state.pc, self.state.pstate.0);
        Outcome::Halted
    }

    /// Leaves Debug state.
    pub fn restart(&mut self) {
        if self.external.is_halted() && self.external.powered {
            self.state.pc = self.external.dlr;
            self.state.pstate = Pstate(self.external.dspsr & Pstate::MASK);
            // The monitor's state is not kept over Debug state.
            self.state.exclusive = None;
            self.external.leave();
        }
    }

    /// Does what an access to a debug register asked for.
    pub fn serve(&mut self, machine: &mut Machine, request: Request) {
        match request {
            Request::None | Request::Reset => {}
            Request::Execute(instruction) => {
                self.execute_in_debug_state(machine, instruction);
            }
            Request::Store => {
                let _ = self.execute_in_debug_state(machine, READ_RX)
                    && self.execute_in_debug_state(machine, STORE_WORD);
            }
            Request::Load => {
                let _ = self.execute_in_debug_state(machine, LOAD_WORD)
                    && self.execute_in_debug_state(machine, WRITE_TX);
            }
        }
    }

    /// Executes an instruction of the debugger; whether it completed.
    fn execute_in_debug_state(&mut self, machine: &mut Machine, instruction: u32) -> bool {
        match execute(&mut self.state, &mut self.external, machine, instruction) {
            Ok(()) => true,
            Err(trap) => {
                if let Trap::Exception(exception) = trap {
                    self.describe(exception);
                    self.state.pstate = Pstate(self.state.pstate.0 & !0xf | 0b0101);
                }
                self.external.set_error();
                false
            }
        }
    }

    fn describe(&mut self, exception: Exception) {
        // IL: all instructions are 32 bits long.
        let esr = u64::from(exception.class) << 26 | 1 << 25 | u64::from(exception.syndrome);
        self.state.system.set(ESR_EL1, esr);
        if let Some(address) = exception.address {
            self.state.system.set(FAR_EL1, address);
        }
    }

    fn take(&mut self, exception: Exception) {
        self.describe(exception);
        let back = if exception.after { self.state.next_pc } else { self.state.pc };
        self.enter_exception(0, back);
    }

    /// Goes to a vector of EL1.
    fn enter_exception(&mut self, vector: u64, back: u64) {
        let pstate = self.state.pstate;
        let from = match (pstate.el(), pstate.sp_sel()) {
            (0, _) => 0x400,
            (_, false) => 0x000,
            (_, true) => 0x200,
        };
        self.state.system.set(SPSR_EL1, u64::from(pstate.0));
        self.state.system.set(ELR_EL1, back);
        self.state.pstate = Pstate(pstate.0 & Pstate::NZCV | Pstate::DAIF | 0b0101);
        self.state.pc = self.state.system.read(VBAR_EL1) + from + vector;
        self.state.exclusive = None;
    }

    /// Sets the timer's line as its registers say.
    pub fn update_timer(&mut self, machine: &mut Machine) {
        let control = self.state.system.read(CNTV_CTL_EL0);
        let due = machine.counter >= self.state.system.read(CNTV_CVAL_EL0);
        machine.gic.set_line(self.state.number, TIMER, control & 0b11 == 0b01 && due);
    }

    /// When the timer's line will rise, if it is going to.
    #[must_use]
    pub fn next_timer(&self) -> Option<u64> {
        (self.state.system.read(CNTV_CTL_EL0) & 0b11 == 0b01).then(|| self.state.system.read(CNTV_CVAL_EL0))
    }
}

fn fetch(state: &State, machine: &mut Machine) -> Result<u32, Trap> {
    let pc = state.pc;
    if pc & 0b11 != 0 {
        return Err(Trap::Exception(Exception {
            class: Trap::PC_ALIGNMENT,
            syndrome: 0,
            address: Some(pc),
            after: false,
        }));
    }
    let physical = translate(state, machine, pc, Purpose::Fetch)?;
    match machine.read(physical, 4) {
        Ok(instruction) => Ok(instruction as u32),
        Err(_) => Err(Trap::abort(true, false, EXTERNAL, pc, state.pstate.el())),
    }
}
