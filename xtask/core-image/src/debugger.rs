//! The engine: `target`, `debugger`, and what a backend of it takes, `own_pairs`.

use trapline_core::{debugger, own_pairs, pool, software, target};

use crate::machine::{Lost, Machine};
use crate::walk;

/// An engine of the size for a small hypervisor.
pub(crate) type Engine = debugger::Debugger<Machine, 4, 64>;

/// What comes of starting over.

/// Links them.
pub(crate) fn link() {
    debug![
        debugger::Action,
        debugger::Hit,
        debugger::Options<'static>,
        debugger::Activity,
        debugger::Outcome,
        debugger::Request,
        debugger::Then,
        debugger::ValueCondition,
        Engine,
        own_pairs::Displaced,
        target::BreakInstruction,
        target::CoreState,
        target::MProfile,
        target::MVersion,
        target::Profile,
        target::DebugStateEntry,
        target::Event,
        target::TrappedWrite,
        target::WriteData,
        target::Register,
        target::Resume,
        target::Arming,
        target::MemoryKind,
        target::MemoryRegion,
        target::ScalableRegister,
        target::CoreId,
        target::SystemRegister
    ];
    default![
        debugger::Action,
        debugger::Options<'static>,
        debugger::Then,
        debugger::ValueCondition,
        own_pairs::Displaced,
        target::Arming,
        target::Profile
    ];
    display![debugger::Activity, target::Register, target::CoreId, target::SystemRegister];
    error![
        debugger::AccessError<Lost>,
        debugger::InsertError<Lost>,
        debugger::OptionsError,
        debugger::PagesError,
        debugger::TooManyCores,
        debugger::Unanswered,
        target::Refusal,
        target::TargetError<Lost>
    ];
    link![
        own_pairs::merge,
        own_pairs::Displaced::count,
        debugger::AccessError::<Lost>::into_lost,
        <debugger::AccessError<Lost> as From<target::TargetError<Lost>>>::from,
        <debugger::InsertError<Lost> as From<debugger::AccessError<Lost>>>::from,
        <debugger::InsertError<Lost> as From<debugger::OptionsError>>::from,
        <debugger::InsertError<Lost> as From<debugger::PagesError>>::from,
        <debugger::InsertError<Lost> as From<pool::PoolError>>::from,
        <debugger::InsertError<Lost> as From<software::SoftwareError>>::from,
        <debugger::InsertError<Lost> as From<target::TargetError<Lost>>>::from,
        Engine::on_event,
        Engine::on_guest_event,
        Engine::inject,
        Engine::translate,
        Engine::read_virtual,
        Engine::write_virtual,
        Engine::insert,
        Engine::insert_with,
        Engine::hit_count,
        Engine::hits,
        Engine::hits_of,
        Engine::bytecode_used,
        Engine::go_on,
        Engine::has_page_watches,
        walk_paged,
        Engine::remove,
        Engine::remove_all,
        Engine::set_action,
        Engine::clear_actions,
        Engine::hold_others,
        Engine::resume,
        restart_target,
        Engine::stop_at_restart,
        Engine::activity,
        Engine::detach,
        Engine::new,
        Engine::target,
        Engine::target_mut,
        Engine::core_count,
        Engine::core_state,
        Engine::stop,
        Engine::breakpoints,
        Engine::watchpoints,
        Engine::software_breakpoints,
        Engine::read_register,
        Engine::write_register,
        Engine::stack_pointer,
        Engine::interrupt,
        Engine::core_ids,
        walk_cores,
        <target::TargetError<Lost> as From<target::Refusal>>::from,
        <Machine as target::Backend>::core_kind,
        <Machine as target::Registers>::el1_uses_aarch32,
        <Machine as target::Registers>::profile,
        target::MProfile::has,
        <Machine as target::Registers>::system_register,
        <Machine as target::Registers>::scalable_vectors,
        <Machine as target::Memory>::region,
        <Machine as target::RunControl>::begin_halt,
        <Machine as target::Backend>::write_counters,
        <Machine as target::RunControl>::steps_with_interrupts_disabled,
        target::Arming::is_disarmed,
        target::SystemRegister::new,
        target::SystemRegister::from_encoding,
        target::SystemRegister::encoding,
        target::SystemRegister::op0,
        target::SystemRegister::op1,
        target::SystemRegister::crn,
        target::SystemRegister::crm,
        target::SystemRegister::op2,
        target::SystemRegister::name,
        target::SystemRegister::by_name,
        target::SystemRegister::named,
    ];
}

fn walk_paged(engine: &Engine) {
    walk(engine.paged_watchpoints());
}

/// [`Engine::restart`] with a reset of which the compiler knows nothing.
fn restart_target(engine: &mut Engine) -> target::TargetResult<debugger::Outcome, Machine> {
    engine.restart(|machine| {
        core::hint::black_box(machine);
        core::hint::black_box(Ok(()))
    })
}

fn walk_cores(engine: &Engine) {
    walk(engine.core_ids());
}
