//! The engine's policy, over a target that records what is done to it.

use crate::recorder::{Did, RAM, YIELD, breakpoint, brk, step, watchpoint};
use crate::scene::{OPEN, QUIET, debugs_itself, engine, event, hardware, insert, software, watch};
use trapline_core::debugger::{Action, Options, Outcome, ValueCondition};
use trapline_core::pool::Owner;
use trapline_core::software::COMMENT;
use trapline_core::stop::StopReason;
use trapline_core::target::{CoreId, Event, Refusal, Register, SystemRegister, TargetError};
use trapline_core::watchpoint::Access;

const BRK: u32 = 0xd420_0000 | (COMMENT as u32) << 5;

#[test]
fn nothing_is_touched_before_the_resume_and_nothing_twice() {
    let mut engine = engine(1);
    insert(&mut engine, hardware(RAM + 0x10));
    insert(&mut engine, hardware(RAM + 0x10));
    insert(&mut engine, watch(RAM + 0x1006, 4, Access::Write));
    assert_eq!(engine.target_mut().take(), []);
    engine.resume().unwrap();
    assert_eq!(engine.target_mut().take(), [Did::Commit(0, 0b1, 0b11), Did::Run(0)]);
    engine.interrupt().unwrap();
    engine.resume().unwrap();
    assert_eq!(engine.target_mut().take(), [Did::Halt(0), Did::Run(0)]);
}

#[test]
fn a_target_with_nothing_armed_is_never_programmed() {
    let mut engine = engine(2);
    engine.resume().unwrap();
    assert_eq!(engine.target_mut().take(), [Did::Run(0), Did::Run(1)]);
}

#[test]
fn running_on_from_a_hardware_breakpoint_steps_over_it_with_interrupts_quiet() {
    let mut engine = engine(1);
    insert(&mut engine, hardware(RAM + 0x10));
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, RAM + 0x10, breakpoint()), Outcome::Stopped);
    assert_eq!(engine.stop().unwrap().reason, StopReason::Breakpoint);
    engine.target_mut().take();

    engine.resume().unwrap();
    assert_eq!(engine.target_mut().take(), [Did::Pstate(0, QUIET), Did::Commit(0, 0, 0), Did::Step(0)]);
    assert_eq!(event(&mut engine, 0, RAM + 0x14, step()), Outcome::Resumed);
    assert_eq!(engine.target_mut().take(), [Did::Pstate(0, OPEN), Did::Commit(0, 1, 0), Did::Run(0)]);
}

#[test]
fn a_step_over_a_breakpoint_that_a_stop_elsewhere_interrupts_is_made_again() {
    let mut engine = engine(2);
    insert(&mut engine, hardware(RAM + 0x10));
    engine.resume().unwrap();
    event(&mut engine, 0, RAM + 0x10, breakpoint());
    engine.resume().unwrap();
    engine.target_mut().take();

    // Core 1 gets there before core 0 has executed its instruction.
    assert_eq!(event(&mut engine, 1, RAM + 0x10, breakpoint()), Outcome::Stopped);
    engine.resume().unwrap();
    let did = engine.target_mut().take();
    assert!(did.contains(&Did::Step(0)) && did.contains(&Did::Step(1)), "{did:?}");

    // The next time core 0 has executed it, and goes on.
    assert_eq!(event(&mut engine, 1, RAM + 0x14, step()), Outcome::Resumed);
    engine.target_mut().set(0, Register::Pc, RAM + 0x14);
    assert_eq!(event(&mut engine, 1, RAM + 0x10, breakpoint()), Outcome::Stopped);
    engine.target_mut().take();
    engine.resume().unwrap();
    let did = engine.target_mut().take();
    assert!(did.contains(&Did::Run(0)) && did.contains(&Did::Step(1)), "{did:?}");
}

#[test]
fn running_on_from_a_software_breakpoint_holds_the_other_cores_until_it_is_planted_again() {
    let mut engine = engine(2);
    insert(&mut engine, software(RAM + 0x20));
    engine.resume().unwrap();
    assert_eq!(engine.target_mut().take()[0], Did::Write(RAM + 0x20, BRK));
    assert_eq!(event(&mut engine, 1, RAM + 0x20, brk(COMMENT)), Outcome::Stopped);
    let stop = engine.stop().unwrap();
    assert_eq!((stop.core, stop.reason), (CoreId(1), StopReason::SoftwareBreakpoint));
    assert_eq!(engine.target_mut().take(), [Did::Halt(0)]);

    engine.resume().unwrap();
    let did = engine.target_mut().take();
    assert_eq!(did.first(), Some(&Did::Write(RAM + 0x20, YIELD)));
    assert_eq!(did.last(), Some(&Did::Step(1)));
    assert!(!did.contains(&Did::Run(0)), "{did:?}");

    assert_eq!(event(&mut engine, 1, RAM + 0x24, step()), Outcome::Resumed);
    let did = engine.target_mut().take();
    assert!(did.contains(&Did::Write(RAM + 0x20, BRK)), "{did:?}");
    assert!(did.contains(&Did::Run(0)) && did.contains(&Did::Run(1)), "{did:?}");
    assert!(
        did.iter().position(|did| matches!(did, Did::Write(..)))
            < did.iter().position(|did| *did == Did::Run(0))
    );
}

#[test]
fn a_client_reads_and_writes_what_stands_under_a_planted_instruction() {
    let mut engine = engine(1);
    insert(&mut engine, software(RAM + 0x20));
    engine.resume().unwrap();
    engine.interrupt().unwrap();
    assert_eq!(engine.target_mut().word(RAM + 0x20), BRK);
    let mut bytes = [0; 12];
    assert_eq!(engine.read_virtual(CoreId(0), RAM + 0x1c, &mut bytes), Ok(12));
    assert_eq!(bytes, *YIELD.to_le_bytes().repeat(3));

    engine.write_virtual(CoreId(0), RAM + 0x20, &[1, 2, 3, 4]).unwrap();
    engine.resume().unwrap();
    assert_eq!(engine.target_mut().word(RAM + 0x20), BRK);
    engine.interrupt().unwrap();
    engine.remove(software(RAM + 0x20), Owner::DEBUGGER).unwrap();
    engine.resume().unwrap();
    assert_eq!(engine.target_mut().word(RAM + 0x20), 0x0403_0201);
}

#[test]
fn half_of_what_the_guest_wrote_over_a_planted_instruction_can_be_written() {
    let mut engine = engine(1);
    insert(&mut engine, software(RAM + 0x20));
    engine.resume().unwrap();
    // The guest loads other code.
    engine.target_mut().set_word(RAM + 0x20, 0x0403_0201);
    engine.interrupt().unwrap();
    engine.write_virtual(CoreId(0), RAM + 0x1e, &[5; 4]).unwrap();
    assert_eq!(engine.target_mut().word(RAM + 0x20), 0x0403_0505);
    engine.resume().unwrap();
    assert_eq!(engine.target_mut().word(RAM + 0x20), BRK);
    engine.interrupt().unwrap();
    engine.remove(software(RAM + 0x20), Owner::DEBUGGER).unwrap();
    engine.resume().unwrap();
    assert_eq!(engine.target_mut().word(RAM + 0x20), 0x0403_0505);
}

#[test]
fn a_watchpoint_is_reported_where_the_access_touches_it_and_then_passed() {
    let mut engine = engine(1);
    insert(&mut engine, watch(RAM + 0x1006, 4, Access::Write));
    engine.resume().unwrap();
    engine.target_mut().take();
    // An 8-byte store at ...1000 touches the watched bytes 1006 and 1007; the hardware reports its start.
    assert_eq!(event(&mut engine, 0, RAM + 0x40, watchpoint(RAM + 0x1000, true)), Outcome::Stopped);
    match engine.stop().unwrap().reason {
        StopReason::Watchpoint { address, .. } => assert_eq!(address, RAM + 0x1006),
        other => panic!("{other:?}"),
    }
    engine.resume().unwrap();
    let did = engine.target_mut().take();
    assert_eq!(did.last(), Some(&Did::Step(0)));
    assert!(matches!(did[1], Did::Commit(0, 0, watched) if watched != 0b11), "{did:?}");
    assert_eq!(event(&mut engine, 0, RAM + 0x44, step()), Outcome::Resumed);
    assert!(engine.target_mut().take().contains(&Did::Commit(0, 0, 0b11)));
}

#[test]
fn a_break_instruction_of_the_guest_goes_back_to_the_guest() {
    let mut engine = engine(1);
    insert(&mut engine, software(RAM + 0x20));
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, RAM + 0x30, brk(0x123)), Outcome::Resumed);
    let target = engine.target_mut();
    let system = |register| Register::System(register);
    assert_eq!(target.get(0, Register::Pc), RAM + 0x8200);
    assert_eq!(target.get(0, system(SystemRegister::ELR_EL1)), RAM + 0x30);
    assert_eq!(target.get(0, system(SystemRegister::SPSR_EL1)), OPEN);
    assert_eq!(target.get(0, system(SystemRegister::ESR_EL1)), 0xf200_0123);
    assert_eq!(target.get(0, Register::Pstate), 0x3c5);
}

#[test]
fn a_watchpoint_that_is_nobodys_goes_back_with_its_address() {
    let mut engine = engine(1);
    insert(&mut engine, watch(RAM + 0x1000, 8, Access::Read));
    engine.resume().unwrap();
    debugs_itself(&mut engine);
    assert_eq!(event(&mut engine, 0, RAM + 0x40, watchpoint(RAM + 0x1000, true)), Outcome::Resumed);
    let target = engine.target_mut();
    assert_eq!(target.get(0, Register::System(SystemRegister::FAR_EL1)), RAM + 0x1000);
    let esr = target.get(0, Register::System(SystemRegister::ESR_EL1));
    assert_eq!(esr >> 26, 0x35);
}

#[test]
fn a_core_halted_in_the_middle_of_a_step_keeps_its_interrupt_masks() {
    let mut engine = engine(2);
    engine.set_action(CoreId(0), Action::Step).unwrap();
    engine.resume().unwrap();
    assert_eq!(engine.target_mut().get(0, Register::Pstate), QUIET);
    engine.interrupt().unwrap();
    assert_eq!(engine.target_mut().get(0, Register::Pstate), OPEN);
    // The step's own event arrives late and is dropped.
    assert_eq!(engine.on_event(CoreId(0), step()).unwrap(), Outcome::Stopped);
    assert_eq!(engine.stop().unwrap().reason, StopReason::Interrupt);
}

#[test]
fn a_step_event_that_nobody_asked_for_is_the_guests_own() {
    let mut engine = engine(1);
    insert(&mut engine, hardware(RAM + 0x100));
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, RAM + 0x40, step()), Outcome::Resumed);
    let esr = engine.target_mut().get(0, Register::System(SystemRegister::ESR_EL1));
    assert_eq!(esr >> 26, 0x33);
}

#[test]
fn a_breakpoint_that_is_nobodys_of_ours_goes_to_a_guest_that_takes_such_exceptions() {
    let mut engine = engine(1);
    insert(&mut engine, software(RAM + 0x100));
    engine.resume().unwrap();
    debugs_itself(&mut engine);
    assert_eq!(event(&mut engine, 0, RAM + 0x40, breakpoint()), Outcome::Resumed);
    let esr = engine.target_mut().get(0, Register::System(SystemRegister::ESR_EL1));
    assert_eq!(esr >> 26, 0x31);
    assert_eq!(engine.target_mut().get(0, Register::Pc), RAM + 0x8000 + 0x200);
}

#[test]
fn a_breakpoint_at_which_the_guest_would_take_no_exception_is_passed_with_its_comparators_off() {
    for (mdscr, oslsr, pstate) in [
        (1 << 15, 0, OPEN),                    // KDE clear
        (1 << 15 | 1 << 13, 0, OPEN | 1 << 9), // PSTATE.D set
        (1 << 15 | 1 << 13, 1 << 1, OPEN),     // OS Lock
        (1 << 13, 0, OPEN),                    // MDE clear
        (1 << 15, 1 << 1, 0),                  // OS Lock, EL0
    ] {
        let mut engine = engine(1);
        insert(&mut engine, software(RAM + 0x100));
        engine.resume().unwrap();
        let target = engine.target_mut();
        target.set(0, Register::System(SystemRegister::MDSCR_EL1), mdscr);
        target.set(0, Register::System(SystemRegister::OSLSR_EL1), oslsr);
        target.set(0, Register::Pstate, pstate);
        target.take();
        assert_eq!(event(&mut engine, 0, RAM + 0x40, breakpoint()), Outcome::Resumed);
        let did = engine.target_mut().take();
        assert_eq!(did[1..], [Did::Commit(0, 0, 0), Did::HidesOwn(0), Did::Step(0)], "{did:?}");
        assert_eq!(event(&mut engine, 0, RAM + 0x44, step()), Outcome::Resumed);
        let did = engine.target_mut().take();
        assert_eq!(did, [Did::Pstate(0, pstate), Did::Commit(0, 0, 0), Did::Run(0)]);
        assert_eq!(engine.target_mut().get(0, Register::System(SystemRegister::ESR_EL1)), 0);
    }
}

#[test]
fn a_step_passes_a_breakpoint_of_the_guests_own_and_is_reported() {
    let mut engine = engine(1);
    engine.set_action(CoreId(0), Action::Step).unwrap();
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, RAM, breakpoint()), Outcome::Resumed);
    assert_eq!(event(&mut engine, 0, RAM + 4, step()), Outcome::Stopped);
    assert_eq!(engine.stop().unwrap().reason, StopReason::Step);
}

#[test]
fn a_core_that_its_backend_has_halted_in_mid_step_is_put_right_and_runs_on() {
    let mut engine = engine(1);
    engine.set_action(CoreId(0), Action::Step).unwrap();
    engine.resume().unwrap();
    assert_eq!(engine.target_mut().get(0, Register::Pstate), QUIET);
    // It asked for its own reset, say: there is no event.
    engine.target_mut().halts(0, RAM + 4);
    assert_eq!(engine.interrupt().unwrap().reason, StopReason::Interrupt);
    assert_eq!(engine.target_mut().get(0, Register::Pstate), OPEN);
    engine.clear_actions();
    engine.target_mut().take();
    engine.resume().unwrap();
    assert_eq!(engine.target_mut().take(), [Did::Run(0)]);
}

#[test]
fn a_change_that_is_made_while_another_core_stops_is_told_at_the_next_resume() {
    let mut engine = engine(2);
    let options = Options { value: ValueCondition::Changed, ..Options::default() };
    let watched = watch(RAM + 0x1000, 4, Access::Write);
    engine.insert_with(CoreId(0), watched, Owner::HOST, &options).unwrap();
    insert(&mut engine, hardware(RAM + 0x40));
    let old = engine.target_mut().word(RAM + 0x1000);
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, RAM + 0x10, watchpoint(RAM + 0x1000, true)), Outcome::Resumed);
    // The store has been made when core 1 stops all; the event of core 0's step is dropped.
    engine.target_mut().set_word(RAM + 0x1000, 7);
    engine.target_mut().set(0, Register::Pc, RAM + 0x14);
    assert_eq!(event(&mut engine, 1, RAM + 0x40, breakpoint()), Outcome::Stopped);
    assert_eq!(engine.stop().unwrap().core, CoreId(1));

    // A core that the client holds owes it on.
    engine.set_action(CoreId(0), Action::Hold).unwrap();
    engine.set_action(CoreId(1), Action::Step).unwrap();
    engine.target_mut().take();
    engine.resume().unwrap();
    assert!(!engine.target_mut().take().contains(&Did::CallBack(0)));
    assert_eq!(event(&mut engine, 1, RAM + 0x44, step()), Outcome::Stopped);

    engine.clear_actions();
    engine.resume().unwrap();
    let did = engine.target_mut().take();
    assert!(did.contains(&Did::CallBack(0)) && !did.contains(&Did::Run(0)), "{did:?}");
    assert_eq!(event(&mut engine, 0, RAM + 0x14, Event::CalledBack), Outcome::Stopped);
    let stop = engine.stop().unwrap();
    let StopReason::Watchpoint { change: Some(change), .. } = stop.reason else { panic!("{stop}") };
    assert_eq!((stop.core, change.old, change.new), (CoreId(0), old.into(), 7));

    // It is told once.
    engine.resume().unwrap();
    let did = engine.target_mut().take();
    assert!(did.contains(&Did::Run(0)) && !did.contains(&Did::CallBack(0)), "{did:?}");
}

#[test]
fn aarch32_code_is_stepped_or_refused() {
    let mut engine = engine(1);
    engine.target_mut().set(0, Register::Pstate, 0x10);
    engine.set_action(CoreId(0), Action::Step).unwrap();
    let stepped = engine.resume();
    let did = engine.target_mut().take();
    if cfg!(feature = "aarch32") {
        assert_eq!(stepped, Ok(()));
        assert_eq!(did, [Did::Pstate(0, 0x1d0), Did::Step(0)]);
    } else {
        assert!(matches!(stepped, Err(TargetError::Refused(Refusal::Unsupported(_)))), "{stepped:?}");
        assert_eq!(did, []);
    }
}

#[test]
fn detaching_leaves_no_trace_and_lets_the_target_run() {
    let mut engine = engine(2);
    insert(&mut engine, hardware(RAM + 0x10));
    insert(&mut engine, software(RAM + 0x20));
    insert(&mut engine, watch(RAM + 0x1000, 1, Access::ReadWrite));
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, RAM + 0x20, brk(COMMENT)), Outcome::Stopped);
    engine.detach(Owner::DEBUGGER).unwrap();
    let did = engine.target_mut().take();
    assert_eq!(engine.target_mut().word(RAM + 0x20), YIELD);
    assert!(
        did.ends_with(&[Did::Commit(0, 0, 0), Did::Run(0), Did::Commit(1, 0, 0), Did::Run(1)]),
        "{did:?}"
    );
}

#[test]
fn a_target_that_starts_over_keeps_what_is_inserted_and_runs_on() {
    let mut engine = engine(2);
    insert(&mut engine, hardware(RAM + 0x10));
    insert(&mut engine, software(RAM + 0x20));
    engine.resume().unwrap();
    engine.target_mut().take();
    let mut memory_at_reset = 0;
    let outcome = engine.restart(|target| {
        memory_at_reset = target.word(RAM + 0x20);
        target.set(0, Register::Pc, RAM);
        target.take();
        Ok(())
    });
    assert_eq!(outcome, Ok(Outcome::Resumed));
    assert_eq!(memory_at_reset, YIELD);
    assert_eq!(
        engine.target_mut().take(),
        [Did::Write(RAM + 0x20, BRK), Did::Commit(0, 1, 0), Did::Run(0), Did::Commit(1, 1, 0), Did::Run(1)]
    );
}

#[test]
fn a_client_that_wants_to_see_a_restart_sees_the_first_instruction() {
    let mut engine = engine(1);
    engine.stop_at_restart(true);
    engine.resume().unwrap();
    engine.target_mut().take();
    assert_eq!(engine.restart(|_| Ok(())), Ok(Outcome::Stopped));
    let stop = engine.stop().unwrap();
    assert_eq!((stop.reason, stop.pc), (StopReason::ExternalRequest, RAM));
    assert_eq!(engine.target_mut().take(), [Did::Halt(0)]);
    engine.detach(Owner::DEBUGGER).unwrap();
    assert_eq!(engine.restart(|_| Ok(())), Ok(Outcome::Resumed));
}

#[test]
fn what_a_core_was_doing_is_said_in_words() {
    const WFI: u32 = 0xd503_207f;
    let mut engine = engine(1);
    let mut said = |pc, pstate| {
        engine.target_mut().set(0, Register::Pc, pc);
        engine.target_mut().set(0, Register::Pstate, pstate);
        engine.activity(CoreId(0)).unwrap().to_string()
    };
    assert_eq!(said(RAM + 8, OPEN), "running, EL1h");
    assert_eq!(said(RAM + 8, 0), "running, EL0t");
    assert_eq!(said(0, OPEN), "running, EL1h");
    engine.target_mut().set_word(RAM + 4, WFI);
    engine.target_mut().set(0, Register::Pc, RAM + 8);
    engine.target_mut().set(0, Register::Pstate, OPEN);
    assert_eq!(engine.activity(CoreId(0)).unwrap().to_string(), "in WFI, EL1h");
}
