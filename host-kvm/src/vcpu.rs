//! A vCPU with its registers at hand and its debug hardware under control.

#![expect(unsafe_code, reason = "a kick reaches into the page that the vCPU shares with the kernel")]

use std::any::Any;
use std::cell::Cell;
use std::sync::Arc;

#[cfg(feature = "machine")]
use kvm_ioctls::VmFd;
use kvm_ioctls::{VcpuExit, VcpuFd};
use trapline_core::address::PhysicalAddress;
use trapline_core::comparator::{Bank, Capabilities};
use trapline_core::own_pairs::{Displaced, merge};
use trapline_core::registers::{Mode, Pstate};
use trapline_core::stepping::Changes;
use trapline_core::target::{Arming, Register, Resume, SystemRegister, TrappedWrite, WriteData};

use crate::edge;
use crate::error::{Errno, Error};
use crate::exit::{Exit, SystemEvent};
use crate::guest_debug::GuestDebug;
use crate::kick::Window;
use crate::own_pairs;
use crate::register_cache::{OneRegister, RegisterCache};
use crate::register_id::{RegisterId, SveRegister};
use crate::register_sync::{Plan, VcpuEvents};
#[cfg(feature = "machine")]
use crate::vcpu_features::VcpuFeatures;
use crate::write_traps::TrappingPages;

/// What answers when a guest accesses an address that is no memory.
pub trait Devices {
    /// Fills `data`, 1 to 8 bytes, with what stands at a guest-physical address. Zeros where nothing
    /// does.
    fn read(&self, address: u64, data: &mut [u8]);

    /// Takes what the guest wrote, 1 to 8 bytes, to a guest-physical address.
    fn write(&self, address: u64, data: &[u8]);
}

/// No devices: reads give zeros, writes are lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NoDevices;

impl Devices for NoDevices {
    fn read(&self, _: u64, data: &mut [u8]) {
        data.fill(0);
    }

    fn write(&self, _: u64, _: &[u8]) {}
}

/// What a vCPU is doing by its multiprocessing state (`KVM_GET_MP_STATE`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum PowerState {
    /// On.
    Runnable,
    /// Off until another vCPU's PSCI CPU_ON.
    Off,
    /// Suspended until an interrupt wakes it.
    Suspended,
}

/// A vCPU of any VMM's, made and initialised, with guest debug.
///
/// Registers are read when they are asked for and written back before the vCPU runs; `KVM_RUN` and
/// `KVM_SET_GUEST_DEBUG` are issued by [`KvmVcpu::run`] alone, the latter only where something changed.
#[derive(Debug)]
pub struct KvmVcpu {
    fd: CountedFd,
    cache: RegisterCache,
    arming: Arming,
    /// What the kernel has; `None` until we have told it.
    applied: Option<GuestDebug>,
    /// How the vCPU ran last, where nothing has been armed since, and the guest's own comparators had no part in it: so
    /// to run needs nothing of the kernel's guest debug to change, as long as they have none.
    settled: Option<Resume>,
    /// Whether they might have: comparators of ours take their place.
    hides_own: bool,
    /// Whether EL1 uses AArch32, once it is known; it never changes.
    el1_uses_aarch32: Option<bool>,
    /// The comparators that its guest sees, once they are known.
    own_capabilities: Option<Capabilities>,
    /// The comparators that the guest has set for itself and that find no place next to ours.
    displaced: Displaced,
    /// What is saved of it, once that is known.
    plan: Option<Plan>,
    /// Whether it took a debug exception when it last ran, so that it must be on.
    on: bool,
    /// What the next run changes at the most, where that is a single step and this is known.
    changes: Option<Changes>,
    /// How often it has been entered.
    entries: u64,
    /// The guest's memory, which must not be unmapped before the vCPU is gone. Dropped last.
    _memory: Option<Arc<dyn Any + Send + Sync>>,
    /// The pages that trap writes, and their size.
    traps: Option<(Arc<TrappingPages>, u64)>,
}

impl KvmVcpu {
    /// Takes over a vCPU. It must have been initialised (`KVM_ARM_VCPU_INIT`).
    #[must_use]
    pub fn new(fd: VcpuFd) -> Self {
        Self {
            fd: CountedFd { fd, ioctls: Cell::new(0) },
            cache: RegisterCache::default(),
            arming: Arming::default(),
            applied: None,
            settled: None,
            hides_own: false,
            plan: None,
            el1_uses_aarch32: None,
            own_capabilities: None,
            displaced: Displaced::default(),
            on: false,
            changes: None,
            entries: 0,
            _memory: None,
            traps: None,
        }
    }

    /// Keeps the guest's memory mapped as long as the vCPU exists.
    #[cfg(feature = "machine")]
    pub(crate) fn keeping(self, memory: Arc<dyn Any + Send + Sync>) -> Self {
        Self { _memory: Some(memory), ..self }
    }

    /// How many ioctls have been issued on this vCPU, `KVM_RUN` included.
    #[must_use]
    pub fn ioctls(&self) -> u64 {
        self.fd.ioctls.get()
    }

    /// How many of them were `KVM_RUN`.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// Reads a register of 32 or 64 bits.
    ///
    /// # Errors
    /// [`Error::ReadRegister`].
    pub fn read(&mut self, id: RegisterId) -> Result<u64, Error> {
        self.cache.read(&self.fd, id).map_err(|errno| Error::ReadRegister { id, errno })
    }

    /// Writes a register of 32 or 64 bits; it is in the vCPU before it runs.
    ///
    /// # Errors
    /// [`Error::WriteRegister`]; the register is as it was.
    pub fn write(&mut self, id: RegisterId, value: u64) -> Result<(), Error> {
        self.cache.write(&self.fd, id, value).map_err(|errno| Error::WriteRegister {
            id,
            value: value.into(),
            errno,
        })
    }

    /// Reads `V<number>`, 0 to 31, also of a vCPU with SVE.
    ///
    /// # Errors
    /// [`Error::ReadRegister`].
    pub fn read_vector(&mut self, number: u8) -> Result<u128, Error> {
        self.cache
            .read_vector(&self.fd, number)
            .map_err(|errno| Error::ReadRegister { id: vector_id(number), errno })
    }

    /// Writes `V<number>`, 0 to 31, also of a vCPU with SVE, whose higher bits stay as they are.
    ///
    /// # Errors
    /// [`Error::WriteRegister`].
    pub fn write_vector(&mut self, number: u8, value: u128) -> Result<(), Error> {
        self.cache.write_vector(&self.fd, number, value).map_err(|errno| Error::WriteRegister {
            id: vector_id(number),
            value,
            errno,
        })
    }

    /// Reads a register of SVE into `buffer`, as many of its bytes as that has, the lowest first.
    ///
    /// # Errors
    /// [`Error::ReadRegister`].
    pub fn read_scalable(&mut self, register: SveRegister, buffer: &mut [u8]) -> Result<(), Error> {
        self.cache
            .read_scalable(&self.fd, register, buffer)
            .map_err(|errno| Error::ReadRegister { id: RegisterId::sve(register), errno })
    }

    /// Writes the lowest bytes of a register of SVE, and leaves the others as they are.
    ///
    /// # Errors
    /// [`Error::WriteRegister`]; the register is as it was.
    pub fn write_scalable(&mut self, register: SveRegister, bytes: &[u8]) -> Result<(), Error> {
        self.cache.write_scalable(&self.fd, register, bytes).map_err(|errno| {
            let low = bytes.iter().take(16).rev().fold(0, |value, byte| value << 8 | u128::from(*byte));
            Error::WriteRegister { id: RegisterId::sve(register), value: low, errno }
        })
    }

    /// The length of the vCPU's scalable vectors in bytes, the longest that it may choose; `None` for one
    /// without SVE.
    ///
    /// # Errors
    /// [`Error::ReadRegister`] and [`Error::Ioctl`].
    pub fn vector_length(&mut self) -> Result<Option<u16>, Error> {
        let id = RegisterId::sve(SveRegister::VectorLengths);
        if !self.registers()?.contains(&id) {
            return Ok(None);
        }
        let mut lengths = [0; 64];
        self.read_scalable(SveRegister::VectorLengths, &mut lengths)?;
        // Bit n is for n + 1 quadwords.
        let last = (0..512_u16).rev().find(|bit| lengths[usize::from(bit / 8)] >> (bit % 8) & 1 != 0);
        Ok(last.map(|bit| 16 * (bit + 1)))
    }

    /// Writes every changed register back, as [`KvmVcpu::run`] does.
    ///
    /// # Errors
    /// [`Error::WriteRegister`] for the first one that KVM does not take.
    pub fn write_back(&mut self) -> Result<(), Error> {
        self.cache.write_back(&self.fd).map_err(|refused| Error::WriteRegister {
            id: refused.id,
            value: refused.value,
            errno: refused.errno,
        })
    }

    /// Every register that KVM lists for this vCPU (`KVM_GET_REG_LIST`).
    ///
    /// # Errors
    /// [`Error::Ioctl`].
    pub fn registers(&self) -> Result<Vec<RegisterId>, Error> {
        self.fd.count();
        edge::register_list(&self.fd.fd)
    }

    /// `MPIDR_EL1`, which is KVM's to choose.
    ///
    /// # Errors
    /// [`Error::ReadRegister`].
    pub fn affinity(&mut self) -> Result<u64, Error> {
        self.read(RegisterId::system(SystemRegister::MPIDR_EL1))
    }

    /// Whether EL1 of the vCPU uses AArch32 (`KVM_ARM_VCPU_EL1_32BIT`).
    ///
    /// # Errors
    /// [`Error::ReadRegister`] and [`Error::WriteRegister`].
    pub fn el1_uses_aarch32(&mut self) -> Result<bool, Error> {
        if let Some(known) = self.el1_uses_aarch32 {
            return Ok(known);
        }
        let pstate = Pstate::from(self.read(RegisterId::PSTATE)?);
        let answer = match pstate.mode() {
            Mode::User => self.takes_supervisor_mode(pstate)?,
            mode => mode.is_aarch32(),
        };
        self.el1_uses_aarch32 = Some(answer);
        Ok(answer)
    }

    /// AArch32 code at EL0 may be under either kind of EL1; KVM takes a mode of AArch32's EL1 only where
    /// there is one (Linux, arch/arm64/kvm/guest.c, `set_core_reg`).
    fn takes_supervisor_mode(&mut self, pstate: Pstate) -> Result<bool, Error> {
        self.write_back()?;
        let id = RegisterId::PSTATE;
        let set = |state: Pstate| self.fd.set(id, &state.into_bits().to_ne_bytes());
        if set(pstate.with_mode(Mode::Supervisor)).is_err() {
            return Ok(false);
        }
        let value = pstate.into_bits().into();
        set(pstate).map_err(|errno| Error::WriteRegister { id, value, errno })?;
        Ok(true)
    }

    /// Whether the vCPU is on.
    ///
    /// # Errors
    /// [`Error::Ioctl`].
    pub fn power_state(&self) -> Result<PowerState, Error> {
        if self.on {
            return Ok(PowerState::Runnable);
        }
        Ok(match self.raw_power_state()? {
            kvm_bindings::KVM_MP_STATE_STOPPED => PowerState::Off,
            // KVM_MP_STATE_SUSPENDED of Linux 5.19.
            10 => PowerState::Suspended,
            _ => PowerState::Runnable,
        })
    }

    /// `KVM_GET_MP_STATE`.
    pub(crate) fn raw_power_state(&self) -> Result<u32, Error> {
        self.fd.count();
        let state = self.fd.fd.get_mp_state().map_err(Error::ioctl("KVM_GET_MP_STATE"))?;
        Ok(state.mp_state)
    }

    /// `KVM_SET_MP_STATE`.
    pub(crate) fn set_raw_power_state(&mut self, mp_state: u32) -> Result<(), Error> {
        self.fd.count();
        self.on = false;
        let state = kvm_bindings::kvm_mp_state { mp_state };
        self.fd.fd.set_mp_state(state).map_err(Error::ioctl("KVM_SET_MP_STATE"))
    }

    /// `KVM_GET_VCPU_EVENTS`; `None` where the kernel does not have it.
    pub(crate) fn events(&self) -> Result<Option<VcpuEvents>, Error> {
        self.fd.count();
        edge::vcpu_events(&self.fd.fd)
    }

    /// `KVM_SET_VCPU_EVENTS`.
    pub(crate) fn set_events(&mut self, events: &VcpuEvents) -> Result<(), Error> {
        self.fd.count();
        edge::set_vcpu_events(&self.fd.fd, events)
    }

    /// What is saved of the vCPU, if that is known.
    pub(crate) const fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// Keeps what is saved of the vCPU.
    pub(crate) fn keep_plan(&mut self, plan: Plan) {
        self.plan = Some(plan);
    }

    /// Takes nothing for known that was read before. Everything changed must have been written back.
    pub(crate) fn forget(&mut self) {
        debug_assert!(self.cache.is_clean());
        self.cache.invalidate();
    }

    /// What the debug hardware is to trap from the next [`KvmVcpu::run`] on.
    pub fn arm(&mut self, arming: &Arming) {
        self.arming = *arming;
        self.settled = None;
    }

    /// What the debug hardware is to trap.
    #[must_use]
    pub const fn arming(&self) -> &Arming {
        &self.arming
    }

    /// The breakpoints and watchpoints that the guest has set for itself and that were off when the vCPU last
    /// ran, because the pairs of [`KvmVcpu::arm`] left no place for them.
    ///
    /// With pairs of ours enabled, KVM uses those in place of the guest's. The guest's are then added where
    /// pairs are free, as they were when the vCPU last came out: what the guest sets later counts from the next
    /// time on. With none of ours enabled the guest's are its own, all the time.
    #[must_use]
    pub const fn displaced(&self) -> Displaced {
        self.displaced
    }

    /// Gives the vCPU to somebody who does with it what this type does not: changed registers are
    /// written back before, and nothing is taken for known afterwards.
    ///
    /// # Errors
    /// [`Error::WriteRegister`]; `work` was not called.
    pub fn with_fd<T>(&mut self, work: impl FnOnce(&VcpuFd) -> T) -> Result<T, Error> {
        self.write_back()?;
        self.cache.invalidate();
        (self.applied, self.settled, self.plan) = (None, None, None);
        self.on = false;
        Ok(work(&self.fd.fd))
    }

    /// Puts the vCPU back to its state after power-on, with the features that it was initialised with. What
    /// is armed stays armed.
    #[cfg(feature = "machine")]
    pub(crate) fn reset(&mut self, vm: &VmFd, features: VcpuFeatures) -> Result<(), Error> {
        self.with_fd(|fd| features.reset(vm, fd))?
    }

    /// Says what the next [`KvmVcpu::run`] with [`Resume::Step`] changes at the most, where that is known: what has been
    /// read of other registers counts after it as well.
    pub fn expect_changes(&mut self, changes: Option<Changes>) {
        self.changes = changes;
    }

    /// Runs the vCPU until something happens that is not an access to a device.
    ///
    /// When it returns, an access to a device has been completed: the registers are those of the
    /// instruction that comes next. A kick, or any signal that a handler takes, makes it return
    /// [`Exit::Interrupted`].
    ///
    /// # Errors
    /// [`Error::WriteRegister`] where a changed register is not taken; the vCPU did not run.
    /// [`Error::ReadRegister`] where the guest's own comparators cannot be looked at, which with ours must
    /// be; it did not run either. [`Error::Ioctl`] where `KVM_SET_GUEST_DEBUG` or `KVM_RUN` fails.
    pub fn run(&mut self, how: Resume, devices: &(impl Devices + ?Sized)) -> Result<Exit, Error> {
        self.write_back()?;
        if self.settled != Some(how) || self.hides_own && self.own_pairs()?.is_some() {
            let mut debug = GuestDebug::new(&self.arming, how);
            self.settled = None;
            self.hides_own = !debug.hides_own && !debug.bank.is_disarmed();
            let own = if self.hides_own { self.own_pairs()? } else { None };
            self.displaced = match &own {
                Some((own, capabilities)) => merge(&mut debug.bank, own, capabilities),
                None => Displaced::default(),
            };
            self.apply_debug(debug)?;
            self.settled = own.is_none().then_some(how);
        }
        // One that is off has other registers when another vCPU has switched it on.
        let known = self.changes.take().filter(|_| how == Resume::Step && self.on);
        if known.is_none() {
            self.cache.invalidate();
        }
        self.on = false;
        loop {
            match self.enter(devices) {
                Ok(None) => {}
                Ok(Some(exit)) => {
                    match known {
                        Some(changes) if exit.is_step() => self.cache.keep_after_step(&changes),
                        // What has been taken back of a trapped write is still to be written back.
                        Some(_) if self.cache.is_clean() => self.cache.invalidate(),
                        _ => {}
                    }
                    self.on = matches!(exit, Exit::Debug { .. } | Exit::TrappedWrite(_));
                    return Ok(exit);
                }
                Err(error) => {
                    self.cache.invalidate();
                    return Err(error);
                }
            }
        }
    }

    /// Takes back a write that KVM has come out with: it holds it for done, and would go on behind its instruction.
    fn take_back_write(&mut self) -> Result<(), Error> {
        self.cache.invalidate();
        let pc_id = RegisterId::of(Register::Pc).unwrap_or(RegisterId::from_raw(0));
        let pc = self.read(pc_id)?;
        let pstate = self.read(RegisterId::PSTATE)?;
        // KVM moves PC on when it is entered, and comes out before anything else (KVM API, section 5,
        // `immediate_exit`).
        self.fd.count();
        self.entries += 1;
        self.fd.fd.set_kvm_immediate_exit(1);
        let entered = self.fd.fd.run().map(|_| ());
        self.fd.fd.set_kvm_immediate_exit(0);
        match entered {
            Err(errno) if errno.errno() == libc::EINTR => {}
            Err(errno) => return Err(Error::Ioctl { operation: "KVM_RUN", errno }),
            // It does not come with anything else but a signal that was waiting, which is an error as well.
            Ok(()) => {
                let errno = Errno::new(libc::EPROTO);
                return Err(Error::Ioctl { operation: "KVM_RUN with immediate_exit", errno });
            }
        }
        self.cache.invalidate();
        self.write(pc_id, pc)?;
        self.write(RegisterId::PSTATE, pstate)
    }

    /// Says which pages trap writes.
    pub(crate) fn trap_writes(&mut self, pages: Arc<TrappingPages>, page_size: u64) {
        self.traps = Some((pages, page_size));
    }

    /// The comparators that the guest has set for itself, and those that it sees; `None` where it has them off.
    fn own_pairs(&mut self) -> Result<Option<(Bank, Capabilities)>, Error> {
        let capabilities = match self.own_capabilities {
            Some(capabilities) => capabilities,
            None => own_pairs::capabilities(self)?,
        };
        self.own_capabilities = Some(capabilities);
        Ok(own_pairs::read(self, &capabilities)?.map(|own| (own, capabilities)))
    }

    fn apply_debug(&mut self, wanted: GuestDebug) -> Result<(), Error> {
        let off = |debug: &GuestDebug| debug.control() == 0;
        let same = self.applied.is_some_and(|now| now == wanted || (off(&now) && off(&wanted)));
        if !same {
            self.fd.count();
            edge::set_guest_debug(&self.fd.fd, &wanted)?;
            self.applied = Some(wanted);
        }
        Ok(())
    }

    /// One `KVM_RUN`; `None` after an access to a device, which the next one completes.
    fn enter(&mut self, devices: &(impl Devices + ?Sized)) -> Result<Option<Exit>, Error> {
        self.fd.count();
        self.entries += 1;
        let fd = &mut self.fd.fd;
        // SAFETY: `kvm_run` stays mapped as long as `fd` lives, which outlives this function.
        let window = unsafe { Window::open(fd.get_kvm_run()) };
        let result = fd.run();
        drop(window);
        let exit = match result {
            Ok(VcpuExit::MmioRead(address, data)) => {
                devices.read(address, data);
                return Ok(None);
            }
            Ok(VcpuExit::MmioWrite(address, data)) => {
                if !traps(&self.traps, address) {
                    devices.write(address, data);
                    return Ok(None);
                }
                let mut value = [0; 8];
                for (to, from) in value.iter_mut().zip(data.iter()) {
                    *to = *from;
                }
                let data = WriteData { value: u64::from_le_bytes(value), length: data.len().min(8) as u8 };
                self.take_back_write()?;
                Exit::TrappedWrite(TrappedWrite { address: PhysicalAddress(address), data: Some(data) })
            }
            Ok(VcpuExit::Debug(arch)) => edge::debug_exit(&arch, fd.get_kvm_run().flags),
            Ok(VcpuExit::Intr) => Exit::Interrupted,
            Ok(VcpuExit::SystemEvent(kind, _)) => Exit::System(SystemEvent::from_raw(kind)),
            Ok(VcpuExit::InternalError) => Exit::InternalError,
            Ok(VcpuExit::FailEntry(reason, cpu)) => Exit::FailEntry { reason, cpu },
            Ok(VcpuExit::MemoryFault { gpa, size, .. }) => Exit::MemoryFault { address: gpa, size },
            Ok(_) => match fd.get_kvm_run() {
                run if run.exit_reason == kvm_bindings::KVM_EXIT_ARM_NISV => {
                    // SAFETY: with this exit reason `arm_nisv` is what stands there (KVM API, section 5), and any
                    // bits are a value of its integers.
                    let address = unsafe { run.__bindgen_anon_1.arm_nisv.fault_ipa };
                    match traps(&self.traps, address) {
                        true => {
                            Exit::TrappedWrite(TrappedWrite { address: PhysicalAddress(address), data: None })
                        }
                        false => Exit::UndecodableAccess,
                    }
                }
                run => Exit::Other { reason: run.exit_reason },
            },
            Err(errno) => failed_run(errno)?,
        };
        Ok(Some(exit))
    }
}

/// Whether a write to a guest-physical address is trapped.
fn traps(pages: &Option<(Arc<TrappingPages>, u64)>, address: u64) -> bool {
    pages.as_ref().is_some_and(|(pages, size)| pages.contains(address, *size))
}

/// What an error number of `KVM_RUN` means.
fn failed_run(errno: Errno) -> Result<Exit, Error> {
    match errno.errno() {
        libc::EINTR | libc::EAGAIN => Ok(Exit::Interrupted),
        // Linux, arch/arm64/kvm/mmio.c: an abort without a valid syndrome.
        libc::ENOSYS => Ok(Exit::UndecodableAccess),
        _ => Err(Error::Ioctl { operation: "KVM_RUN", errno }),
    }
}

fn vector_id(number: u8) -> RegisterId {
    use crate::register_id::CoreRegister;
    RegisterId::core(CoreRegister::V(number)).unwrap_or(RegisterId::from_raw(0))
}

/// Past the cache: for whoever has written it back and makes it forget.
impl OneRegister for KvmVcpu {
    fn get(&self, id: RegisterId, buffer: &mut [u8]) -> Result<(), Errno> {
        self.fd.get(id, buffer)
    }

    fn set(&self, id: RegisterId, buffer: &[u8]) -> Result<(), Errno> {
        self.fd.set(id, buffer)
    }
}

/// A vCPU's file with a count of its ioctls.
#[derive(Debug)]
struct CountedFd {
    fd: VcpuFd,
    ioctls: Cell<u64>,
}

impl CountedFd {
    fn count(&self) {
        self.ioctls.set(self.ioctls.get() + 1);
    }
}

impl OneRegister for CountedFd {
    fn get(&self, id: RegisterId, buffer: &mut [u8]) -> Result<(), Errno> {
        self.count();
        self.fd.get_one_reg(id.raw(), buffer).map(|_| ())
    }

    fn set(&self, id: RegisterId, buffer: &[u8]) -> Result<(), Errno> {
        self.count();
        self.fd.set_one_reg(id.raw(), buffer).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_to_be_repeated_is_no_error_and_all_others_keep_their_number() {
        for number in [libc::EINTR, libc::EAGAIN] {
            assert_eq!(failed_run(Errno::new(number)).unwrap(), Exit::Interrupted);
        }
        assert_eq!(failed_run(Errno::new(libc::ENOSYS)).unwrap(), Exit::UndecodableAccess);
        for number in [libc::EFAULT, libc::ENOEXEC, libc::EINVAL, libc::EPERM, libc::ENOMEM] {
            match failed_run(Errno::new(number)) {
                Err(Error::Ioctl { operation: "KVM_RUN", errno }) => assert_eq!(errno.errno(), number),
                other => panic!("{other:?}"),
            }
        }
    }
}
