//! A whole vCPU at once: saving it, and putting it back as far as KVM lets it.

use std::ops::Range;
use std::sync::Arc;

use trapline_core::target::SystemRegister;

use crate::error::{Errno, Error};
use crate::host_cpu::is_identification;
use crate::register_cache::OneRegister;
use crate::register_id::{CoreRegister, RegisterId, RegisterKind, SveRegister};
use crate::vcpu::KvmVcpu;

/// How much of a saved vCPU is to be put back. Each level includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SyncLevel {
    /// What a guest changes as it runs: of the same vCPU, a moment later.
    Runtime,
    /// As well what a reset sets: identification registers, cache sizes, firmware registers.
    Reset,
    /// As well the counters, whose time goes on: a vCPU that goes back in time or moves to another VM.
    Full,
}

impl SyncLevel {
    /// The lowest level at which a register is put back.
    #[must_use]
    pub fn of(id: RegisterId) -> Self {
        match id.kind() {
            RegisterKind::System(SystemRegister::CNTVCT_EL0 | SystemRegister::CNTPCT_EL0) => Self::Full,
            RegisterKind::System(register) if is_identification(register) => Self::Reset,
            RegisterKind::CacheSize { .. } | RegisterKind::Firmware(_) | RegisterKind::FirmwareBitmap(_) => {
                Self::Reset
            }
            RegisterKind::Sve(SveRegister::VectorLengths) | RegisterKind::Unknown => Self::Reset,
            RegisterKind::Core(_) | RegisterKind::System(_) | RegisterKind::Sve(_) => Self::Runtime,
        }
    }
}

/// A saved register of any size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RegisterValue<'a> {
    /// Which register.
    pub id: RegisterId,
    /// Its bytes, in the order in which KVM has them: the host's, for SVE little-endian.
    pub bytes: &'a [u8],
}

/// Pending SErrors and the like (`KVM_GET_VCPU_EVENTS`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct VcpuEvents {
    /// Whether an SError is pending, and its syndrome where KVM knows it.
    pub serror: Option<Option<u64>>,
}

/// A vCPU as it was: every register that KVM lists, pending events and power.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VcpuState {
    /// In an order in which KVM takes them: what others are judged by comes first.
    registers: Plan,
    /// The registers' bytes, one after the other.
    bytes: Vec<u8>,
    events: Option<VcpuEvents>,
    power: u32,
}

/// What is saved of a vCPU, in an order in which KVM takes it. It is worked out once: a vCPU that is initialised lists the
/// same registers for ever.
pub(crate) type Plan = Arc<[Saved]>;

/// A saved register, with all that restoring asks of it: what an identifier means is not worked out again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Saved {
    id: RegisterId,
    level: SyncLevel,
    clears_bits: bool,
    /// Where its bytes are.
    place: Range<usize>,
}

/// A register that KVM did not take when a vCPU was put back, and that holds another value now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Which register.
    pub id: RegisterId,
    /// What it was to be.
    pub wanted: Vec<u8>,
    /// What it is; `None` where KVM does not give it.
    pub actual: Option<Vec<u8>>,
    /// Why KVM did not take it.
    pub errno: Errno,
}

impl VcpuState {
    /// Saves a vCPU that is not running. What the debugger changed is written back first, so it is in
    /// the saved state.
    ///
    /// # Errors
    /// [`Error::Ioctl`], [`Error::ReadRegister`], and [`Error::WriteRegister`] for a changed register.
    pub fn save(vcpu: &mut KvmVcpu) -> Result<Self, Error> {
        vcpu.write_back()?;
        let registers = match vcpu.plan() {
            Some(plan) => Arc::clone(plan),
            None => {
                let plan = plan(&vcpu.registers()?)?;
                vcpu.keep_plan(Arc::clone(&plan));
                plan
            }
        };
        let bytes = read_all(&registers, |id, buffer| {
            vcpu.get(id, buffer).map_err(|errno| Error::ReadRegister { id, errno })
        })?;
        Ok(Self { registers, bytes, events: vcpu.events()?, power: vcpu.raw_power_state()? })
    }

    /// Puts the vCPU back to what was saved, as far as `level` goes, and returns the registers that KVM
    /// did not take. A register that already holds its value counts as taken: KVM refuses to write many
    /// that cannot change.
    ///
    /// # Errors
    /// [`Error::Ioctl`] where events or power are refused, [`Error::WriteRegister`] for a change of the
    /// debugger's that came before.
    pub fn restore(&self, vcpu: &mut KvmVcpu, level: SyncLevel) -> Result<Vec<Refused>, Error> {
        vcpu.write_back()?;
        let mut refused = Vec::new();
        for register in self.registers.iter().filter(|register| register.level <= level) {
            let (id, bytes) = (register.id, self.bytes_of(register));
            if register.clears_bits {
                // Not a value of its own: with everything cleared, its partner sets what is to be set.
                // Kernels that take either for an assignment end up with the partner's value, too.
                let all = [0xff; LARGEST];
                vcpu.set(id, all.get(..bytes.len()).unwrap_or_default()).unwrap_or_default();
                continue;
            }
            let Err(errno) = vcpu.set(id, bytes) else { continue };
            let mut actual = [0; LARGEST];
            let actual = actual.get_mut(..bytes.len()).unwrap_or_default();
            let actual = vcpu.get(id, actual).is_ok().then_some(&*actual);
            if actual != Some(bytes) {
                let (wanted, actual) = (bytes.to_vec(), actual.map(<[u8]>::to_vec));
                refused.push(Refused { id, wanted, actual, errno });
            }
        }
        vcpu.forget();
        if let Some(events) = &self.events {
            vcpu.set_events(events)?;
        }
        vcpu.set_raw_power_state(self.power)?;
        Ok(refused)
    }

    /// Every saved register.
    #[must_use]
    pub fn registers(&self) -> impl ExactSizeIterator<Item = RegisterValue<'_>> {
        self.registers.iter().map(|saved| RegisterValue { id: saved.id, bytes: self.bytes_of(saved) })
    }

    /// A saved register of up to 64 bits.
    #[must_use]
    pub fn register(&self, id: RegisterId) -> Option<u64> {
        let RegisterValue { bytes, .. } = self.registers().find(|register| register.id == id)?;
        let mut value = [0; 8];
        if cfg!(target_endian = "big") {
            value.get_mut(8_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
        } else {
            value.get_mut(..bytes.len())?.copy_from_slice(bytes);
        }
        Some(u64::from_ne_bytes(value))
    }

    /// Pending events, where the kernel tells them.
    #[must_use]
    pub const fn events(&self) -> Option<&VcpuEvents> {
        self.events.as_ref()
    }

    fn bytes_of(&self, saved: &Saved) -> &[u8] {
        self.bytes.get(saved.place.clone()).unwrap_or_default()
    }
}

/// The most bytes that a register has.
const LARGEST: usize = 256;

/// Registers in the order in which KVM takes them.
fn plan(ids: &[RegisterId]) -> Result<Plan, Error> {
    let mut registers = Vec::with_capacity(ids.len());
    let mut end = 0;
    for &id in ids {
        let unknown = || Error::ReadRegister { id, errno: Errno::new(libc::E2BIG) };
        let place = end..end + id.size().ok_or_else(unknown)?.bytes();
        end = place.end;
        let saved = Saved { id, level: SyncLevel::of(id), clears_bits: clears_bits(id), place };
        registers.push((rank(&saved), saved));
    }
    // The sort is stable, so everything else stays in KVM's order.
    registers.sort_by_key(|(rank, _)| *rank);
    Ok(registers.into_iter().map(|(_, saved)| saved).collect())
}

/// Reads all that is planned.
fn read_all(
    registers: &[Saved],
    mut read: impl FnMut(RegisterId, &mut [u8]) -> Result<(), Error>,
) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; registers.iter().map(|saved| saved.place.end).max().unwrap_or_default()];
    for saved in registers {
        read(saved.id, bytes.get_mut(saved.place.clone()).unwrap_or_default())?;
    }
    Ok(bytes)
}

/// `PSTATE` before the other core registers, since it says whether they are AArch32's; counters before
/// compare values, and those before the timers' control, so that no timer fires by mistake; what clears
/// bits before what sets them.
fn rank(saved: &Saved) -> u8 {
    // CNTV_CTL_EL0 and CNTP_CTL_EL0 (DDI 0487, their "Accessing" tables).
    const PHYSICAL_CONTROL: Option<SystemRegister> = SystemRegister::new(3, 3, 14, 2, 1);
    match saved.id.kind() {
        RegisterKind::Core(CoreRegister::Pstate) => 0,
        _ if saved.level == SyncLevel::Full => 1,
        RegisterKind::System(register)
            if register == SystemRegister::CNTV_CTL_EL0 || Some(register) == PHYSICAL_CONTROL =>
        {
            4
        }
        _ if saved.clears_bits => 2,
        _ => 3,
    }
}

/// Whether a register clears the bits of another that are written to it as 1: `PMCNTENCLR_EL0`,
/// `PMOVSCLR_EL0`, `PMINTENCLR_EL1` (DDI 0487, "Performance Monitors Extension registers"). Kernels from
/// 6.7 on do so for `KVM_SET_ONE_REG`, too.
fn clears_bits(id: RegisterId) -> bool {
    let RegisterKind::System(register) = id.kind() else { return false };
    (register.op0(), register.crn()) == (3, 9)
        && matches!((register.op1(), register.crm(), register.op2()), (3, 12, 2 | 3) | (0, 14, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(name: &str) -> RegisterId {
        RegisterId::system(SystemRegister::by_name(name).unwrap())
    }

    #[test]
    fn counters_are_put_back_at_the_full_level_only_and_identification_from_reset_on() {
        for (id, level) in [
            (system("CNTVCT_EL0"), SyncLevel::Full),
            (system("CNTPCT_EL0"), SyncLevel::Full),
            (system("CNTV_CVAL_EL0"), SyncLevel::Runtime),
            (system("CNTV_CTL_EL0"), SyncLevel::Runtime),
            (system("SCTLR_EL1"), SyncLevel::Runtime),
            (system("CSSELR_EL1"), SyncLevel::Runtime),
            (system("MIDR_EL1"), SyncLevel::Reset),
            (system("ID_AA64PFR0_EL1"), SyncLevel::Reset),
            (RegisterId::cache_size(0), SyncLevel::Reset),
            (RegisterId::firmware(0), SyncLevel::Reset),
            (RegisterId::sve(SveRegister::VectorLengths), SyncLevel::Reset),
            (RegisterId::sve(SveRegister::Ffr { slice: 0 }), SyncLevel::Runtime),
            (RegisterId::core(CoreRegister::Pc).unwrap(), SyncLevel::Runtime),
        ] {
            assert_eq!(SyncLevel::of(id), level, "{id}");
        }
    }

    #[test]
    fn what_others_are_judged_by_is_put_back_first_and_timers_are_switched_on_last() {
        let names = ["CNTV_CTL_EL0", "CNTV_CVAL_EL0", "PMCNTENSET_EL0", "PMCNTENCLR_EL0", "CNTVCT_EL0"];
        let mut ids: Vec<RegisterId> = names.map(system).to_vec();
        ids.push(RegisterId::core(CoreRegister::Pstate).unwrap());
        let registers = plan(&ids).unwrap();
        let order: Vec<String> = registers.iter().map(|register| register.id.to_string()).collect();
        let expected =
            ["PSTATE", "CNTVCT_EL0", "PMCNTENCLR_EL0", "CNTV_CVAL_EL0", "PMCNTENSET_EL0", "CNTV_CTL_EL0"];
        assert_eq!(order, expected);
    }

    #[test]
    fn a_saved_register_is_found_by_its_identifier() {
        let id = system("SCTLR_EL1");
        let registers = plan(&[id]).unwrap();
        let bytes = read_all(&registers, |_, buffer| {
            buffer.copy_from_slice(&0x0123_4567_u64.to_ne_bytes());
            Ok(())
        })
        .unwrap();
        let state = VcpuState { registers, bytes, events: None, power: 0 };
        assert_eq!(state.register(id), Some(0x0123_4567));
        assert_eq!(state.register(system("MIDR_EL1")), None);
    }
}
