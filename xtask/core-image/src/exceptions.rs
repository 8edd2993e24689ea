//! Stops, exceptions that are given back, and what both leave alone: `context`, `injection`, `stop`.

use trapline_core::{context, injection, stop};

use crate::machine::Machine;

/// Links them.
pub(crate) fn link() {
    debug![
        context::DebugRegister,
        context::DebugContext,
        injection::After,
        injection::Before,
        injection::DebugControls,
        injection::Exception,
        injection::Features,
        injection::aarch32::DebugException,
        injection::aarch32::Fault,
        injection::aarch32::After,
        injection::aarch32::Before,
        stop::Cause,
        stop::StopReason,
        stop::Stop
    ];
    default![context::DebugContext, injection::DebugControls, injection::Features];
    display![stop::Stop];
    link![
        context::DebugRegister::system_register,
        context::DebugRegister::external_offset,
        context::disarm::<Machine>,
        context::mdscr_for_guest_debug,
        context::release_guest_debug,
        context::trap_guest_debug,
        context::DebugContext::save::<Machine>,
        context::DebugContext::restore::<Machine>,
        injection::enter_el1,
        injection::synchronous_vector,
        injection::syndrome_at_el1,
        injection::DebugControls::enable_comparators,
        injection::Features::from_id_registers,
        injection::aarch32::DebugException::from_syndrome,
        injection::aarch32::enter_el1,
        stop::Cause::of,
    ];
}
