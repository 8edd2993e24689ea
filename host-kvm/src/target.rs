//! Several vCPUs and their guest's memory as a target of the debugger.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use trapline_core::address::PhysicalAddress;
use trapline_core::comparator::Capabilities;
use trapline_core::scope::Scope;
use trapline_core::stepping::Changes;
use trapline_core::target::{
    Arming, Backend, BreakInstruction, Comparators, Console, CoreId, CoreState, Memory, Refusal, Register,
    Registers, Resume, RunControl, ScalableRegister, ScalableVectors, SystemRegister, TargetError,
    TargetResult, WriteTraps,
};

use crate::capability::KvmCapabilities;
use crate::core_control::CoreControl;
use crate::error::Error;
use crate::guest_memory::GuestMemory;
use crate::host_instructions;
use crate::register_cache::OneRegister;
use crate::register_id::{RegisterId, SveRegister};
use crate::time::VirtualTime;
use crate::vcpu::{KvmVcpu, PowerState};
use crate::write_traps::MemorySlots;

/// One vCPU, shared by its thread and the target.
///
/// The thread has `vcpu` locked while it is inside (see [`CoreControl`]); the target locks it only
/// while the vCPU is halted, so neither waits for the other.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) id: CoreId,
    pub(crate) vcpu: Mutex<KvmVcpu>,
    pub(crate) control: CoreControl,
}

/// vCPUs and guest memory of any VMM's, for [`trapline_core::debugger`].
///
/// All vCPUs are halted at first; their threads are those of [`crate::VcpuThreads`].
///
/// [`RunControl::halt`] drops a debug exception of the vCPU that the debugger has not been told of:
/// - A breakpoint, a watchpoint and a breakpoint instruction are taken *before* the instruction is
///   executed, so the exception comes again when the vCPU runs on, if it then still should.
/// - A completed step is not repeated: the program counter tells that the instruction is done.
#[derive(Debug)]
pub struct KvmTarget {
    cores: Vec<Arc<Core>>,
    memory: SharedMemory,
    capabilities: Capabilities,
    time: VirtualTime,
    console: Option<SharedConsole>,
    /// The system registers that KVM lists, the same for all vCPUs.
    system_registers: Vec<SystemRegister>,
    /// The length of scalable vectors in bytes, if there are any, the same for all vCPUs.
    vector_length: Option<u16>,
    slots: Option<MemorySlots>,
}

/// The vCPUs of a target, for the threads that run them.
#[derive(Debug)]
pub struct VcpuHandles(pub(crate) Vec<Arc<Core>>);

/// Whoever reads what breakpoints' commands print.
struct SharedConsole(Box<dyn Console + Send>);

impl fmt::Debug for SharedConsole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}

/// Guest memory that is shared with the VMM.
struct SharedMemory(Arc<dyn GuestMemory>);

impl fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuestMemory")
    }
}

impl KvmTarget {
    /// A target of these vCPUs, which become cores 0, 1, … in their order.
    ///
    /// # Errors
    /// [`Error::Missing`] where KVM has no guest debug; [`Error::ReadRegister`].
    pub fn new(
        vcpus: Vec<KvmVcpu>,
        memory: Arc<dyn GuestMemory>,
        kvm: &KvmCapabilities,
    ) -> Result<Self, Error> {
        kvm.require_guest_debug()?;
        let mut capabilities = Capabilities {
            breakpoints: kvm.breakpoints,
            watchpoints: kvm.watchpoints,
            zeroing_block: host_instructions::zeroing_block(),
            ..Capabilities::default()
        };
        let mut cores = Vec::with_capacity(vcpus.len());
        let mut system_registers = Vec::new();
        let mut vector_length = None;
        for (number, mut vcpu) in (0..=u16::MAX).zip(vcpus) {
            if number == 0 {
                capabilities.context_aware = context_aware(&mut vcpu)?.min(kvm.breakpoints);
                system_registers = listed(&vcpu)?;
                vector_length = vcpu.vector_length()?;
            }
            cores.push(Arc::new(Core {
                id: CoreId(number),
                vcpu: Mutex::new(vcpu),
                control: CoreControl::new(),
            }));
        }
        Ok(Self {
            cores,
            memory: SharedMemory(memory),
            capabilities,
            time: VirtualTime::new(kvm),
            console: None,
            system_registers,
            vector_length,
            slots: None,
        })
    }

    /// Whether the guest's time stands still while all its vCPUs are halted. It does, unless it is told
    /// otherwise here: the virtual counter, and where KVM has `KVM_CAP_COUNTER_OFFSET` the physical one.
    pub const fn hold_virtual_time(&mut self, hold: bool) {
        self.time.hold(hold);
    }

    /// Lets watchpoints for which no comparator is left be served by pages of these slots' memory, which is that
    /// of the vCPUs. All of them must be halted.
    ///
    /// # Errors
    /// Refused where one is running.
    pub fn watch_pages_of(&mut self, slots: MemorySlots) -> TargetResult<(), Self> {
        let (trapping, page_size) = slots.trapping();
        for core in &self.cores {
            self.halted(core.id)?.trap_writes(trapping.clone(), page_size);
        }
        self.slots = Some(slots);
        Ok(())
    }

    /// Says where what breakpoints' commands print goes, `None` for nowhere. It is called on the vCPUs' threads
    /// with the debugger locked, so it should be quick.
    pub fn set_console(&mut self, console: Option<Box<dyn Console + Send>>) {
        self.console = console.map(SharedConsole);
    }

    /// The guest's virtual time when a core of it was halted: what `CNTVCT_EL0` had counted since it was 0.
    ///
    /// # Errors
    /// Refused where the core does not exist or is running.
    pub fn virtual_time(&self, core: CoreId) -> TargetResult<Duration, Self> {
        let mut count = [0; 8];
        let vcpu = self.halted(core)?;
        let id = RegisterId::system(SystemRegister::CNTVCT_EL0);
        // Past the cache: it counts on.
        OneRegister::get(&*vcpu, id, &mut count)
            .map_err(|errno| TargetError::Lost(Error::ReadRegister { id, errno }))?;
        let still_since = self.time.still_since(self.core(core)?.control.halted_at());
        let since = host_instructions::counter().saturating_sub(still_since);
        let count = u128::from(u64::from_ne_bytes(count).saturating_sub(since));
        let frequency = u128::from(host_instructions::counter_frequency().max(1));
        let nanoseconds = count * 1_000_000_000 / frequency;
        Ok(Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX)))
    }

    /// Works on a halted vCPU in ways that the target's traits do not know.
    ///
    /// # Errors
    /// Refused where the core does not exist or is running.
    pub fn with_vcpu<T>(&self, core: CoreId, work: impl FnOnce(&mut KvmVcpu) -> T) -> TargetResult<T, Self> {
        Ok(work(&mut *self.halted(core)?))
    }

    /// How many ioctls have been issued on the vCPUs that are halted.
    #[must_use]
    pub fn ioctls(&self) -> u64 {
        self.cores.iter().filter_map(|core| Some(self.halted(core.id).ok()?.ioctls())).sum()
    }

    /// What [`crate::VcpuThreads`] need of the vCPUs.
    #[must_use]
    pub fn handles(&self) -> VcpuHandles {
        VcpuHandles(self.cores.clone())
    }

    fn core(&self, core: CoreId) -> TargetResult<&Arc<Core>, Self> {
        self.cores.get(usize::from(core.0)).ok_or(Refusal::NoSuchCore(core).into())
    }

    /// Lets a halted core run.
    fn start(&mut self, core: CoreId, how: Resume) -> TargetResult<(), Self> {
        self.run_on(core)?;
        match self.core(core)?.control.resume(how) {
            true => Ok(()),
            false => Err(Refusal::Running(core).into()),
        }
    }

    /// Lets the guest's time go on, if no core runs: the halted `core` is the first.
    fn run_on(&mut self, core: CoreId) -> TargetResult<(), Self> {
        if !self.cores.iter().all(|core| core.control.is_halted()) {
            return Ok(());
        }
        let halted_at = self.cores.iter().map(|core| core.control.halted_at()).max();
        if let Some(stopped) = self.time.stopped(halted_at.unwrap_or_default()) {
            let entry = Arc::clone(self.core(core)?);
            let mut vcpu =
                entry.vcpu.lock().map_err(|_| TargetError::Lost(Error::Poisoned { what: "a vCPU" }))?;
            self.time.run_on(&mut vcpu, stopped).map_err(TargetError::Lost)?;
        }
        Ok(())
    }

    /// The vCPU of a halted core. Its thread is outside and cannot go in before somebody who has this
    /// target resumes it.
    fn halted(&self, core: CoreId) -> TargetResult<MutexGuard<'_, KvmVcpu>, Self> {
        let entry = self.core(core)?;
        if !entry.control.is_halted() {
            return Err(Refusal::Running(core).into());
        }
        entry.vcpu.lock().map_err(|_| TargetError::Lost(Error::Poisoned { what: "a vCPU" }))
    }
}

/// How many breakpoints can match a context: `ID_AA64DFR0_EL1.CTX_CMPs`, bits 31 to 28, less 1.
fn context_aware(vcpu: &mut KvmVcpu) -> Result<u8, Error> {
    let features = vcpu.read(RegisterId::system(SystemRegister::ID_AA64DFR0_EL1))?;
    Ok((features >> 28 & 0xf) as u8 + 1)
}

/// The system registers that KVM lists for a vCPU, in the order of their encodings: those that it keeps among
/// the core registers are among them.
fn listed(vcpu: &KvmVcpu) -> Result<Vec<SystemRegister>, Error> {
    let mut registers: Vec<_> =
        vcpu.registers()?.into_iter().filter_map(RegisterId::system_register).collect();
    registers.sort_unstable();
    registers.dedup();
    Ok(registers)
}

fn identifier(register: Register) -> Result<RegisterId, Refusal> {
    RegisterId::of(register).ok_or(Refusal::NoSuchRegister(register))
}

/// What KVM's answer about a register means: numbers that say "no" are refusals, anything else is the
/// end (Linux, arch/arm64/kvm/{guest,sys_regs}.c).
fn register_error(error: Error, register: Register) -> TargetError<Error> {
    match &error {
        Error::ReadRegister { errno, .. } if matches!(errno.errno(), libc::ENOENT | libc::EINVAL) => {
            Refusal::NoSuchRegister(register).into()
        }
        Error::WriteRegister { errno, value, .. } => match errno.errno() {
            libc::ENOENT => Refusal::NoSuchRegister(register).into(),
            libc::EINVAL | libc::E2BIG => Refusal::BadValue { register, value: *value as u64 }.into(),
            libc::EPERM | libc::EBUSY => Refusal::ReadOnly(register).into(),
            _ => TargetError::Lost(error),
        },
        _ => TargetError::Lost(error),
    }
}

fn vector_error(error: Error, number: u8) -> TargetError<Error> {
    match error {
        Error::ReadRegister { errno, .. } | Error::WriteRegister { errno, .. }
            if matches!(errno.errno(), libc::ENOENT | libc::EINVAL) =>
        {
            Refusal::NoSuchVector(number).into()
        }
        error => TargetError::Lost(error),
    }
}

impl Backend for KvmTarget {
    type Error = Error;

    fn cores(&self) -> u16 {
        self.cores.len() as u16
    }

    fn core_kind(&self) -> &'static str {
        "vCPU"
    }

    fn write_traps(&mut self) -> Option<&mut dyn WriteTraps<Error = Error>> {
        match &mut self.slots {
            Some(slots) => Some(slots),
            None => None,
        }
    }

    fn console(&mut self) -> Option<&mut dyn Console> {
        match &mut self.console {
            Some(console) => Some(&mut *console.0),
            None => None,
        }
    }

    fn write_counters(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        for core in &self.cores {
            match self.halted(core.id) {
                Ok(vcpu) => writeln!(out, "{}: {} ioctls", core.id, vcpu.ioctls())?,
                Err(error) => writeln!(out, "{}: {error}", core.id)?,
            }
        }
        Ok(())
    }
}

impl Registers for KvmTarget {
    fn read_register(&mut self, core: CoreId, register: Register) -> TargetResult<u64, Self> {
        let mut vcpu = self.halted(core)?;
        vcpu.read(identifier(register)?).map_err(|error| register_error(error, register))
    }

    fn write_register(&mut self, core: CoreId, register: Register, value: u64) -> TargetResult<(), Self> {
        let mut vcpu = self.halted(core)?;
        vcpu.write(identifier(register)?, value).map_err(|error| register_error(error, register))
    }

    fn read_vector(&mut self, core: CoreId, number: u8) -> TargetResult<u128, Self> {
        self.halted(core)?.read_vector(number).map_err(|error| vector_error(error, number))
    }

    fn write_vector(&mut self, core: CoreId, number: u8, value: u128) -> TargetResult<(), Self> {
        self.halted(core)?.write_vector(number, value).map_err(|error| vector_error(error, number))
    }

    fn el1_uses_aarch32(&mut self, core: CoreId) -> TargetResult<bool, Self> {
        self.halted(core)?.el1_uses_aarch32().map_err(TargetError::Lost)
    }

    fn scalable_vectors(&mut self) -> Option<&mut dyn ScalableVectors<Error = Error>> {
        self.vector_length.is_some().then_some(self as _)
    }

    fn system_register(&self, index: usize) -> Option<SystemRegister> {
        self.system_registers.get(index).copied()
    }
}

impl ScalableVectors for KvmTarget {
    fn vector_length(&self) -> u16 {
        self.vector_length.unwrap_or_default()
    }

    fn read_scalable(
        &mut self,
        core: CoreId,
        register: ScalableRegister,
        buffer: &mut [u8],
    ) -> TargetResult<(), Self> {
        let (register, number) = scalable(register);
        self.halted(core)?.read_scalable(register, buffer).map_err(|error| vector_error(error, number))
    }

    fn write_scalable(
        &mut self,
        core: CoreId,
        register: ScalableRegister,
        bytes: &[u8],
    ) -> TargetResult<(), Self> {
        let (register, number) = scalable(register);
        self.halted(core)?.write_scalable(register, bytes).map_err(|error| vector_error(error, number))
    }
}

/// A register of SVE as KVM has it, and its number.
fn scalable(register: ScalableRegister) -> (SveRegister, u8) {
    match register {
        ScalableRegister::Z(number) => (SveRegister::Z { number, slice: 0 }, number),
        ScalableRegister::P(number) => (SveRegister::P { number, slice: 0 }, number),
        ScalableRegister::Ffr => (SveRegister::Ffr { slice: 0 }, 0),
    }
}

impl Memory for KvmTarget {
    fn read_memory(&mut self, address: PhysicalAddress, buffer: &mut [u8]) -> TargetResult<(), Self> {
        Ok(self.memory.0.read(address, buffer)?)
    }

    fn write_memory(&mut self, address: PhysicalAddress, bytes: &[u8]) -> TargetResult<(), Self> {
        Ok(self.memory.0.write(address, bytes)?)
    }

    fn synchronize_instructions(
        &mut self,
        address: PhysicalAddress,
        length: usize,
    ) -> TargetResult<(), Self> {
        Ok(self.memory.0.synchronize_instructions(address, length)?)
    }
}

impl Comparators for KvmTarget {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn scope(&self) -> Scope {
        Scope::EL1_AND_EL0
    }

    fn break_instruction(&self) -> BreakInstruction {
        BreakInstruction::Brk
    }

    fn commit(&mut self, core: CoreId, arming: &Arming) -> TargetResult<(), Self> {
        self.halted(core)?.arm(arming);
        Ok(())
    }
}

impl RunControl for KvmTarget {
    fn core_state(&mut self, core: CoreId) -> TargetResult<CoreState, Self> {
        if !self.core(core)?.control.is_halted() {
            return Ok(CoreState::Running);
        }
        match self.halted(core)?.power_state().map_err(TargetError::Lost)? {
            PowerState::Off => Ok(CoreState::Off),
            PowerState::Runnable | PowerState::Suspended => Ok(CoreState::Halted),
        }
    }

    fn resume(&mut self, core: CoreId, how: Resume) -> TargetResult<(), Self> {
        self.halted(core)?.expect_changes(None);
        self.start(core, how)
    }

    fn step_changing(&mut self, core: CoreId, changes: Changes) -> TargetResult<(), Self> {
        self.halted(core)?.expect_changes(Some(changes));
        self.start(core, Resume::Step)
    }

    fn call_back(&mut self, core: CoreId) -> TargetResult<bool, Self> {
        self.run_on(core)?;
        match self.core(core)?.control.call_back() {
            true => Ok(true),
            false => Err(Refusal::Running(core).into()),
        }
    }

    fn begin_halt(&mut self, core: CoreId) -> TargetResult<(), Self> {
        self.core(core)?.control.begin_halt();
        Ok(())
    }

    fn halt(&mut self, core: CoreId) -> TargetResult<(), Self> {
        self.core(core)?.control.halt();
        Ok(())
    }
}
