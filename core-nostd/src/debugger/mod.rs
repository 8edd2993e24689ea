//! The debug engine: the one place where policy lives.
//!
//! A [`Debugger`] owns a [`Target`] and what is to be trapped on it. It is driven from two sides: a
//! client (the gdb server, a command line) inserts, removes, resumes and interrupts; the backend hands in
//! every [`crate::target::Event`] of a core by [`Debugger::on_event`]. The engine then decides on the spot,
//! on the thread or in the exception handler that the event arrived on: step on, run on, give the exception
//! back to the guest, or stop all cores.
//!
//! Changes are lazy: [`Debugger::insert`] plans and reserves, and the hardware and the target's memory
//! are touched at the next resume, only where something changed.
//!
//! | file | holds |
//! |---|---|
//! | `activity` | what a core is doing, in words |
//! | `request` | what can be inserted, and why it is refused |
//! | `arming` | from what is reserved to what stands in the comparators |
//! | `planting` | break instructions into and out of memory |
//! | `memory` | virtual memory through the guest's own tables |
//! | `code` | code that is looked at more than once (feature `quick-steps`) |
//! | `regime` | the registers that rule these tables |
//! | `resume` | actions, and stepping over what is armed |
//! | `restart` | a target that starts over |
//! | `quiet` | steps that interrupts do not disturb |
//! | `passage` | running through code as one step: an exclusive sequence, or |
//! | `simple` | passing or stepping a simple instruction without running it (feature `quick-steps`) |
//! | `stretch` | a stretch of a range that need not be stepped (feature `quick-steps`) |
//! | `exclusive` | store exclusives that a watchpoint has trapped |
//! | `event` | from an event to a verdict |
//! | `instruction` | what an instruction that was trapped is about to access |
//! | `options`, `attached` | conditions, counts and commands of requests, and where they are kept |
//! | `hit` | whether what was hit is to stop the target |
//! | `pages` | watching for writes by pages |
//! | `access` | stops after an access, with the values before and after it |
//! | `accessed` | the same where hardware stops after every watched access, as the M profile's does |
//! | `injection` | giving an exception back to the guest |

mod access;
mod accessed;
mod activity;
mod arming;
mod attached;
#[cfg(feature = "quick-steps")]
mod code;
mod event;
mod exclusive;
mod hit;
mod injection;
mod instruction;
mod memory;
mod options;
mod pages;
mod passage;
mod planting;
mod quiet;
mod regime;
mod request;
mod restart;
mod resume;
#[cfg(feature = "quick-steps")]
mod simple;
#[cfg(feature = "quick-steps")]
mod stretch;

pub use activity::Activity;
pub use event::Outcome;
pub use hit::{Hit, MAX_HITS, Unanswered};
pub use memory::AccessError;
pub use options::{MAX_COMPARED, Options, OptionsError, Then, ValueCondition};
pub use pages::{MAX_PAGED, PagesError};
pub use request::{InsertError, RemoveError, Request};
pub use resume::Action;

use core::fmt;

use heapless::Vec;

use crate::aarch32;
use crate::comparator::Bank;
use crate::injection::Features;
use crate::pool::{BreakpointPool, Slots, WatchpointPool};
use crate::registers::{ExceptionLevel, Pstate, StackPointer};
use crate::software::SoftwareBreakpoints;
use crate::stop::{Stop, StopReason};
use crate::target::{
    CoreId, CoreState, Refusal, Register, SystemRegister, Target, TargetError, TargetResult,
};

use access::Access;
use accessed::Values;
use arming::Committed;
use attached::Attached;
#[cfg(feature = "quick-steps")]
use code::CodeBlock;
use pages::Paged;
use regime::{CoreRegime, RegimeCache};
use resume::{Goal, Run};

/// The debugger of one target with at most `CORES` cores and `SOFTWARE` software breakpoints. As many requests
/// can have [`Options`], with `BYTECODE` bytes of expressions together, and as many pieces of memory can be watched by
/// pages.
#[derive(Debug)]
pub struct Debugger<
    T: Target,
    const CORES: usize = 8,
    const SOFTWARE: usize = 256,
    const BYTECODE: usize = 4096,
> {
    target: T,
    breakpoints: BreakpointPool,
    watchpoints: WatchpointPool,
    software: SoftwareBreakpoints<SOFTWARE>,
    attached: Attached<SOFTWARE, BYTECODE>,
    paged: Paged<SOFTWARE>,
    /// What the two pools held when they were last looked at.
    bank: Bank,
    /// Counts changes of `bank`, so that a core knows whether its own is current.
    generation: u32,
    /// Whether the pools may hold something else than `bank`.
    pools_changed: bool,
    cores: Vec<Core, CORES>,
    /// A core that is stepping over a planted instruction while all others wait, if there is one.
    alone: Option<CoreId>,
    /// The last stop, until the next resume.
    stop: Option<Stop>,
    /// Whether a restart is a stop.
    stops_at_restart: bool,
    regimes: RegimeCache,
    /// What exceptions do on these cores, once it is known.
    features: Option<Features>,
    /// Watched values as they were when the cores last ran on, where hardware stops after the access.
    values: Values,
    /// Code that is looked at again and again for one step.
    #[cfg(feature = "quick-steps")]
    code: CodeBlock,
    #[cfg(feature = "quick-steps")]
    simple: simple::Known,
    /// A core's `PSTATE` but for its flags, while an event is handled: that of before the step that has ended.
    known: Option<(CoreId, Pstate)>,
}

/// What the engine keeps of one core.
#[derive(Debug, Default)]
struct Core {
    /// What it is doing for the engine.
    run: Run,
    /// What the client wants of it at the next resume; nothing said is [`Action::Continue`].
    action: Option<Action>,
    /// What stands in its comparators.
    committed: Committed,
    /// The translation regime when code was last looked up.
    regime: Option<CoreRegime>,
    /// The stop that the client has been told of and that must not fire again when the core runs on.
    seen: Option<Seen>,
    /// An access that it is about to make, and that is to be looked at afterwards.
    access: Option<Access>,
    /// What it was doing when it was hit, while it waits for [`Debugger::go_on`].
    waiting: Option<Goal>,
    /// The instruction whose trapped write has been reported, and that passes when it is trapped again.
    trapped: Option<u64>,
    /// What it has hit.
    hits: Vec<Hit, MAX_HITS>,
    /// A step that was done when the engine halted the core for another one's sake.
    owed: Option<Goal>,
}

/// A stop that has been reported or that nobody is told of: running on from `pc` passes it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    pc: u64,
    watchpoints: Slots,
    /// Whether it was a comparator of the guest's own at which the guest takes no exception.
    own: bool,
}

/// The target has more cores than the debugger was built for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct TooManyCores {
    /// How many the target has.
    pub cores: u16,
    /// How many there is room for, the parameter `CORES`.
    pub capacity: usize,
}

impl fmt::Display for TooManyCores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, capacity } = self;
        write!(f, "the target has {cores} cores, and the debugger was built for {capacity}")
    }
}

impl core::error::Error for TooManyCores {}

impl<T: Target, const CORES: usize, const SOFTWARE: usize, const BYTECODE: usize>
    Debugger<T, CORES, SOFTWARE, BYTECODE>
{
    /// A debugger with nothing armed. The target's cores stay as they are; [`Self::interrupt`] halts them.
    ///
    /// # Errors
    /// [`TooManyCores`].
    pub fn new(target: T) -> Result<Self, TooManyCores> {
        let count = target.cores();
        let mut cores = Vec::new();
        for _ in 0..count {
            cores.push(Core::default()).map_err(|_| TooManyCores { cores: count, capacity: CORES })?;
        }
        let capabilities = target.capabilities();
        let software = SoftwareBreakpoints::new(target.break_instruction());
        Ok(Self {
            target,
            breakpoints: BreakpointPool::new(&capabilities),
            watchpoints: WatchpointPool::new(&capabilities),
            software,
            attached: Attached::new(),
            paged: Paged::new(),
            bank: Bank::default(),
            generation: 0,
            pools_changed: false,
            cores,
            alone: None,
            stop: None,
            stops_at_restart: false,
            regimes: RegimeCache::default(),
            features: None,
            values: Values::default(),
            #[cfg(feature = "quick-steps")]
            code: CodeBlock::default(),
            #[cfg(feature = "quick-steps")]
            simple: simple::Known::default(),
            known: None,
        })
    }

    /// The target.
    pub const fn target(&self) -> &T {
        &self.target
    }

    /// The target, for what the engine does not offer. Running or arming it behind the engine's back
    /// makes the engine's picture of it wrong.
    pub const fn target_mut(&mut self) -> &mut T {
        #[cfg(feature = "quick-steps")]
        self.simple.forget();
        &mut self.target
    }

    /// How many cores there are.
    pub fn core_count(&self) -> u16 {
        self.target.cores()
    }

    /// What a core is doing.
    ///
    /// # Errors
    /// As [`crate::target::RunControl::core_state`].
    pub fn core_state(&mut self, core: CoreId) -> TargetResult<CoreState, T> {
        self.target.core_state(core)
    }

    /// The last stop, while the target is halted because of it.
    pub const fn stop(&self) -> Option<Stop> {
        self.stop
    }

    /// The hardware breakpoints that are reserved.
    pub const fn breakpoints(&self) -> &BreakpointPool {
        &self.breakpoints
    }

    /// The watchpoints that are reserved.
    pub const fn watchpoints(&self) -> &WatchpointPool {
        &self.watchpoints
    }

    /// The software breakpoints.
    pub const fn software_breakpoints(&self) -> &SoftwareBreakpoints<SOFTWARE> {
        &self.software
    }

    /// Reads a register of a halted core.
    ///
    /// # Errors
    /// As [`crate::target::Registers::read_register`].
    pub fn read_register(&mut self, core: CoreId, register: Register) -> TargetResult<u64, T> {
        self.target.read_register(core, register)
    }

    /// Writes a register of a halted core.
    ///
    /// # Errors
    /// As [`crate::target::Registers::write_register`].
    pub fn write_register(&mut self, core: CoreId, register: Register, value: u64) -> TargetResult<(), T> {
        // The write may change how addresses are translated.
        self.regimes.forget();
        let state = self.core(core)?;
        state.regime = None;
        if register == Register::Pc {
            state.trapped = None;
        }
        #[cfg(feature = "quick-steps")]
        if let Register::Pstate | Register::System(_) = register {
            self.simple.forget();
        }
        self.target.write_register(core, register, value)
    }

    /// The register that is `SP` for a halted core: `SP_EL0`, or that of its exception level.
    ///
    /// # Errors
    /// As [`Self::read_register`]; refused as well where the exception level's has no name here.
    pub fn stack_pointer(&mut self, core: CoreId) -> TargetResult<Register, T> {
        let Some(pstate) = self.pstate(core)? else { return Ok(Register::X(13)) };
        if aarch32::is_used(pstate) {
            return self.banked(core, 13);
        }
        match (pstate.stack_pointer_selector(), pstate.exception_level()) {
            (StackPointer::El0, _) | (_, ExceptionLevel::El0) => Ok(Register::System(SystemRegister::SP_EL0)),
            (StackPointer::ElX, ExceptionLevel::El1) => Ok(Register::System(SystemRegister::SP_EL1)),
            (StackPointer::ElX, ExceptionLevel::El2 | ExceptionLevel::El3) => {
                Err(Refusal::Unsupported("the stack pointers of EL2 and EL3 cannot be reached").into())
            }
        }
    }

    /// Where R8 to R14 of a halted core lie, in its mode of AArch32 or in the M profile.
    pub(crate) fn banked(&mut self, core: CoreId, number: u8) -> TargetResult<Register, T> {
        let Some(pstate) = self.pstate(core)? else { return Ok(Register::X(number)) };
        let unmapped = Refusal::Unsupported("the core does not execute AArch32 code now");
        Ok(aarch32::register(pstate.mode(), number).ok_or(unmapped)?)
    }

    /// Halts all cores for the client and says where the target stands: the stop that it is already
    /// halted for, if there is one, else [`StopReason::Interrupt`] on the first core that is on.
    ///
    /// # Errors
    /// As [`crate::target::RunControl::halt`].
    pub fn interrupt(&mut self) -> TargetResult<Stop, T> {
        if let Some(stop) = self.stop {
            return Ok(stop);
        }
        for core in self.core_ids() {
            if !matches!(self.core(core)?.run, Run::Halted) {
                self.target.begin_halt(core)?;
            }
        }
        let mut first = None;
        for core in self.core_ids() {
            match self.target.core_state(core)? {
                CoreState::Running => self.halt(core)?,
                CoreState::Halted | CoreState::Off => self.take_note(core)?,
            }
            // A core that waits to be started may count as running until it is halted.
            if first.is_none() && self.target.core_state(core)? == CoreState::Halted {
                first = Some(core);
            }
        }
        self.alone = None;
        let core = first.unwrap_or(CoreId(0));
        self.core(core)?.hits.clear();
        let pc = self.target.read_register(core, Register::Pc)?;
        let stop = Stop { core, pc, reason: StopReason::Interrupt };
        self.stop = Some(stop);
        Ok(stop)
    }

    /// Takes note that a core has come to rest on its own, in the middle of a step even, as one does that
    /// resets its machine or switches it off.
    fn take_note(&mut self, core: CoreId) -> TargetResult<(), T> {
        if matches!(self.core(core)?.run, Run::Halted) {
            return Ok(());
        }
        match self.halt(core) {
            // Of a core without power nothing can be put right.
            Err(TargetError::Refused(Refusal::Off(_))) => Ok(()),
            result => result,
        }
    }

    /// All cores' numbers.
    pub fn core_ids(&self) -> impl Iterator<Item = CoreId> + use<T, CORES, SOFTWARE, BYTECODE> {
        (0..self.target.cores()).map(CoreId)
    }

    fn core(&mut self, core: CoreId) -> Result<&mut Core, Refusal> {
        self.cores.get_mut(usize::from(core.0)).ok_or(Refusal::NoSuchCore(core))
    }
}
