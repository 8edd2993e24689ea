//! Comparators that the guest has set for itself, next to ours.
//!
//! Where a comparator of ours is enabled, `KVM_SET_GUEST_DEBUG`'s bank replaces the guest's. So that the guest
//! keeps its own breakpoints and watchpoints, those that it has enabled go into pairs of the bank that are
//! free ([`trapline_core::own_pairs`]). KVM does not say when the guest changes its own, so they are as they were when the vCPU last came
//! out of `KVM_RUN`.

use trapline_core::comparator::{Bank, Capabilities, Pair};
use trapline_core::context::DebugRegister;
use trapline_core::registers::{IdAa64dfr0El1, IdAa64dfr1El1, IdAa64dfr2El1, MdscrEl1};
use trapline_core::target::SystemRegister;

use crate::error::Error;
use crate::register_id::RegisterId;
use crate::vcpu::KvmVcpu;

/// The comparators that a guest sees, from its `ID_AA64DFR0_EL1`. What later registers say is about matching, which is
/// the guest's business.
pub(crate) fn capabilities(vcpu: &mut KvmVcpu) -> Result<Capabilities, Error> {
    let features = IdAa64dfr0El1::from(vcpu.read(RegisterId::system(SystemRegister::ID_AA64DFR0_EL1))?);
    Ok(Capabilities::from_id_registers(features, IdAa64dfr1El1::default(), IdAa64dfr2El1::default()))
}

/// The pairs that the guest has enabled; `None` where it has debug exceptions of comparators off. It costs one
/// ioctl then.
pub(crate) fn read(vcpu: &mut KvmVcpu, capabilities: &Capabilities) -> Result<Option<Bank>, Error> {
    let controls = MdscrEl1::from(vcpu.read(RegisterId::system(SystemRegister::MDSCR_EL1))?);
    if !controls.mde() {
        return Ok(None);
    }
    let mut bank = Bank::default();
    for (number, pair) in (0..capabilities.breakpoints).zip(&mut bank.breakpoints) {
        *pair = read_pair(vcpu, DebugRegister::Dbgbcr(number), DebugRegister::Dbgbvr(number))?;
    }
    for (number, pair) in (0..capabilities.watchpoints).zip(&mut bank.watchpoints) {
        *pair = read_pair(vcpu, DebugRegister::Dbgwcr(number), DebugRegister::Dbgwvr(number))?;
    }
    Ok(Some(bank))
}

/// A pair, of which the value is read only where it means something.
fn read_pair(vcpu: &mut KvmVcpu, control: DebugRegister, value: DebugRegister) -> Result<Pair, Error> {
    let mut read = |register: DebugRegister| match register.system_register() {
        Some(register) => vcpu.read(RegisterId::system(register)),
        None => Ok(0),
    };
    let control = read(control)?;
    let pair = Pair { control, value: 0 };
    Ok(if pair.is_enabled() { Pair { control, value: read(value)? } } else { Pair::DISABLED })
}
