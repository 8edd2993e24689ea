//! Steps through ranges of code.

use crate::recorder::{Did, RAM, YIELD, breakpoint, step};
use crate::scene::{Engine, OPEN, QUIET, debugs_itself, engine, event, hardware, insert};
use trapline_core::debugger::{Action, Outcome};
use trapline_core::stop::StopReason;
use trapline_core::target::{CoreId, Register, SystemRegister};

#[test]
fn a_range_step_goes_on_inside_the_engine_until_it_leaves_the_range() {
    let mut engine = engine(1);
    engine.set_action(CoreId(0), Action::StepRange { start: RAM, end: RAM + 0xc }).unwrap();
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, RAM + 4, step()), Outcome::Resumed);
    assert_eq!(event(&mut engine, 0, RAM + 8, step()), Outcome::Resumed);
    assert_eq!(event(&mut engine, 0, RAM + 0xc, step()), Outcome::Stopped);
    let stop = engine.stop().unwrap();
    assert_eq!((stop.reason, stop.pc), (StopReason::Step, RAM + 0xc));
    assert_eq!(engine.target_mut().get(0, Register::Pstate), OPEN);
}

#[test]
fn a_breakpoint_inside_a_stepped_range_is_reported() {
    let mut engine = engine(1);
    insert(&mut engine, hardware(RAM + 8));
    engine.set_action(CoreId(0), Action::StepRange { start: RAM, end: RAM + 0x100 }).unwrap();
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, RAM + 4, step()), Outcome::Resumed);
    assert_eq!(event(&mut engine, 0, RAM + 8, step()), Outcome::Stopped);
    assert_eq!(engine.stop().unwrap().reason, StopReason::Breakpoint);
}

/// Steps through 64 instructions, all YIELDs.
fn step_through(engine: &mut Engine) {
    engine.set_action(CoreId(0), Action::StepRange { start: RAM, end: RAM + 0x100 }).unwrap();
    engine.resume().unwrap();
}

#[test]
#[cfg_attr(not(feature = "quick-steps"), ignore = "takes the feature quick-steps")]
fn a_range_is_run_through_to_breakpoints_on_its_exits() {
    let mut engine = engine(1);
    // cbnz x0, .-4; bl .+0x400
    engine.target_mut().set_word(RAM + 4, 0xb5ff_ffe0);
    engine.target_mut().set_word(RAM + 0xc, 0x9400_0100);
    step_through(&mut engine);
    // One comparator for the call, one for the vector of a fault.
    let run = [Did::Pstate(0, QUIET), Did::Commit(0, 0b11, 0), Did::Run(0)];
    assert_eq!(engine.target_mut().take(), run);
    // The call is stepped, and leaves the range.
    assert_eq!(event(&mut engine, 0, RAM + 0xc, breakpoint()), Outcome::Resumed);
    let did = engine.target_mut().take();
    assert_eq!(did, [Did::Pstate(0, OPEN), Did::Pstate(0, QUIET), Did::Commit(0, 0, 0), Did::Step(0)]);
    assert_eq!(event(&mut engine, 0, RAM + 0x40c, step()), Outcome::Stopped);
    assert_eq!(engine.stop().unwrap().reason, StopReason::Step);
    assert_eq!(engine.target_mut().get(0, Register::Pstate), OPEN);
}

#[test]
#[cfg_attr(not(feature = "quick-steps"), ignore = "takes the feature quick-steps")]
fn a_range_is_run_through_from_behind_a_breakpoint_and_up_to_the_next_one() {
    let mut engine = engine(1);
    insert(&mut engine, hardware(RAM + 0x40));
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, RAM + 0x40, breakpoint()), Outcome::Stopped);
    engine.target_mut().take();
    step_through(&mut engine);
    assert_eq!(engine.target_mut().take().last(), Some(&Did::Step(0)), "the breakpoint is off for this one");
    assert_eq!(event(&mut engine, 0, RAM + 0x44, step()), Outcome::Resumed);
    // The breakpoint, an exit, the vector.
    let run = [Did::Commit(0, 0b111, 0), Did::Run(0)];
    assert!(engine.target_mut().take().ends_with(&run));
    assert_eq!(event(&mut engine, 0, RAM + 0x40, breakpoint()), Outcome::Stopped);
    assert_eq!(engine.stop().unwrap().reason, StopReason::Breakpoint);
}

#[test]
fn a_range_is_stepped_where_the_guest_or_the_client_has_the_comparators() {
    let mut engine = engine(1);
    debugs_itself(&mut engine);
    step_through(&mut engine);
    assert_eq!(engine.target_mut().take().last(), Some(&Did::Step(0)));

    let mut engine = self::engine(1);
    for number in 1..=5 {
        insert(&mut engine, hardware(RAM + 0x1000 * number));
    }
    step_through(&mut engine);
    assert_eq!(engine.target_mut().take().last(), Some(&Did::Step(0)), "one is left, for the vector");
}

#[test]
#[cfg_attr(not(feature = "quick-steps"), ignore = "takes the feature quick-steps")]
fn a_fault_in_a_range_ends_the_step_at_its_vector() {
    let mut engine = engine(1);
    step_through(&mut engine);
    let system = Register::System;
    let target = engine.target_mut();
    target.set(0, Register::Pstate, 0x3c5);
    target.set(0, system(SystemRegister::SPSR_EL1), QUIET);
    target.set(0, system(SystemRegister::ELR_EL1), RAM + 0x10);
    assert_eq!(event(&mut engine, 0, RAM + 0x8200, breakpoint()), Outcome::Stopped);
    assert_eq!(engine.stop().unwrap().pc, RAM + 0x8200);
    assert_eq!(engine.target_mut().get(0, system(SystemRegister::SPSR_EL1)), OPEN);
}

#[test]
fn code_that_begins_at_the_vector_gets_away_from_it() {
    let vector = RAM + 0x8200;
    for (first, next) in [(YIELD, Did::Step(0)), (0x885f_7c20, Did::Run(0))] {
        let mut engine = engine(1);
        engine.target_mut().set(0, Register::Pc, vector);
        engine.target_mut().set_word(vector, first);
        engine.target_mut().set_word(vector + 8, 0x8802_7c20);
        engine.set_action(CoreId(0), Action::StepRange { start: vector, end: vector + 0x80 }).unwrap();
        engine.resume().unwrap();
        let did = engine.target_mut().take();
        assert_eq!(did.last(), Some(&next));
        // Of the sequence, one exit alone.
        assert!(
            did.iter().all(|did| matches!(did, Did::Commit(0, pairs, 0) if *pairs <= 1)
                || !matches!(did, Did::Commit(..)))
        );
    }
}

#[test]
#[cfg_attr(not(feature = "quick-steps"), ignore = "takes the feature quick-steps")]
fn a_core_halted_in_the_middle_of_a_range_goes_on_through_it() {
    let mut engine = engine(1);
    step_through(&mut engine);
    engine.target_mut().set(0, Register::Pc, RAM + 0x20);
    engine.interrupt().unwrap();
    assert_eq!(engine.target_mut().get(0, Register::Pstate), OPEN);
    engine.target_mut().take();
    engine.resume().unwrap();
    assert_eq!(engine.target_mut().take().last(), Some(&Did::Run(0)));
    // The range is longer than a stretch.
    for exit in [0x80, 0xc0] {
        assert_eq!(event(&mut engine, 0, RAM + exit, breakpoint()), Outcome::Resumed, "{exit:#x}");
        assert_eq!(engine.target_mut().take().last(), Some(&Did::Run(0)));
    }
    assert_eq!(event(&mut engine, 0, RAM + 0x100, breakpoint()), Outcome::Stopped);
    assert_eq!(engine.stop().unwrap().reason, StopReason::Step);
}
