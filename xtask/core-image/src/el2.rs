//! Debug of guests from EL2: `el2`.

use core::hint::black_box;

use trapline_core::el2;
use trapline_core::registers::{Pstate, Spsr};

use crate::machine::Machine;

/// A vCPU of which the compiler knows nothing.
struct Vcpu;

impl el2::GuestState for Vcpu {
    #[inline(never)]
    fn pc(&self) -> u64 {
        black_box(0)
    }

    #[inline(never)]
    fn pstate(&self) -> Pstate {
        Pstate::from_bits(black_box(0))
    }

    #[inline(never)]
    fn set_pstate(&mut self, pstate: Pstate) {
        black_box(pstate);
    }

    #[inline(never)]
    fn vbar_el1(&self) -> u64 {
        black_box(0)
    }

    #[inline(never)]
    fn elr_el1(&self) -> u64 {
        black_box(0)
    }

    #[inline(never)]
    fn spsr_el1(&self) -> Spsr {
        Spsr::from_bits(black_box(0))
    }

    #[inline(never)]
    fn set_spsr_el1(&mut self, spsr: Spsr) {
        black_box(spsr);
    }
}

/// Links them.
pub(crate) fn link() {
    debug![
        el2::Answer,
        el2::GuestDebug,
        el2::NoSuchDebugRegister,
        el2::OwnRegisters,
        el2::SystemRegisters,
        el2::Verdict
    ];
    default![el2::OwnRegisters];
    error![el2::NoSuchDebugRegister];
    link![
        el2::GuestDebug::new,
        el2::GuestDebug::capabilities,
        el2::GuestDebug::displaced,
        el2::GuestDebug::own_registers,
        el2::GuestDebug::arm,
        el2::GuestDebug::resume,
        el2::GuestDebug::enter::<Machine, Vcpu>,
        el2::GuestDebug::leave::<Machine, Vcpu>,
        el2::GuestDebug::on_exception::<Vcpu>,
        el2::GuestDebug::on_access,
        el2::OwnRegisters::new,
        el2::OwnRegisters::access,
        el2::OwnRegisters::comparators_enabled,
        el2::OwnRegisters::step_enabled,
        el2::OwnRegisters::steps_from,
        el2::OwnRegisters::oslsr_el1,
        el2::SystemRegisters::new,
        el2::SystemRegisters::capabilities,
        el2::SystemRegisters::has_aarch32,
        el2::SystemRegisters::mdcr_el2,
        el2::SystemRegisters::set_mdcr_el2,
        <el2::SystemRegisters as trapline_core::context::DebugRegisters>::read,
        <el2::SystemRegisters as trapline_core::context::DebugRegisters>::write,
        <el2::SystemRegisters as trapline_core::context::DebugRegisters>::synchronize,
    ];
}
