//! Steps of instructions that the engine carries out itself.

use crate::recorder::{Did, RAM, YIELD, breakpoint, step};
use crate::scene::{Engine, OPEN, debugs_itself, engine, event, hardware, insert, software};
use trapline_core::debugger::{Action, Outcome};
use trapline_core::stop::StopReason;
use trapline_core::target::{CoreId, Register, SystemRegister};

const CORE: CoreId = CoreId(0);
const NOP: u32 = 0xd503_201f;
/// `B .`
const B_SELF: u32 = 0x1400_0000;
const X0: Register = Register::X(0);

fn resume(engine: &mut Engine, action: Action) {
    engine.set_action(CORE, action).unwrap();
    engine.hold_others();
    assert_eq!(engine.resume_or_stop().unwrap(), Outcome::Resumed);
}

/// A step that is done at once; where it has led to.
fn carried_out(engine: &mut Engine, action: Action) -> u64 {
    let done = engine.target().did.len();
    engine.set_action(CORE, action).unwrap();
    engine.hold_others();
    assert_eq!(engine.resume_or_stop().unwrap(), Outcome::Stopped);
    // A planted instruction that is removed is lifted.
    let did = &engine.target().did[done..];
    assert!(did.iter().all(|did| matches!(did, Did::Write(..))), "{did:?}");
    let stop = engine.stop().unwrap();
    assert_eq!((stop.core, stop.reason), (CORE, StopReason::Step));
    assert_eq!(engine.target().get(0, Register::Pstate), OPEN);
    stop.pc
}

/// An engine with these instructions behind a first one, which the core has just been stepped over by its hardware.
fn stepped(cores: u16, words: &[u32]) -> Engine {
    let mut engine = engine(cores);
    for (address, word) in (RAM + 4..).step_by(4).zip(words) {
        engine.target_mut().set_word(address, *word);
    }
    resume(&mut engine, Action::Step);
    assert_eq!(engine.target_mut().take().last(), Some(&Did::Step(0)));
    assert_eq!(event(&mut engine, 0, RAM + 4, step()), Outcome::Stopped);
    engine
}

/// What the engine has done last; whoever has the target to change it makes the engine forget what it knows of it.
fn last(engine: &Engine) -> Did {
    *engine.target().did.last().unwrap()
}

#[test]
fn a_simple_instruction_in_a_page_that_is_executed_is_not_given_to_the_core() {
    // movz x0, #0x1234; bl .+16; …; ret
    let mut engine = stepped(1, &[0xd282_4680, 0x9400_0004, YIELD, YIELD, YIELD, 0xd65f_03c0]);
    for (pc, register, value) in [
        (RAM + 8, X0, 0x1234),
        (RAM + 0x18, Register::X(30), RAM + 0xc),
        (RAM + 0xc, Register::X(30), RAM + 0xc),
    ] {
        assert_eq!(carried_out(&mut engine, Action::Step), pc);
        assert_eq!(engine.target().get(0, register), value);
    }
    resume(&mut engine, Action::Step);
    assert_eq!(last(&engine), Did::Step(0), "YIELD is none");
}

#[test]
fn behind_a_breakpoint_a_simple_instruction_is_not_given_to_the_core() {
    for request in [hardware(RAM + 4), software(RAM + 4)] {
        let mut engine = engine(1);
        engine.target_mut().set_word(RAM + 4, NOP);
        insert(&mut engine, request);
        engine.resume().unwrap();
        let exception = if request == hardware(RAM + 4) { breakpoint() } else { crate::recorder::brk(0x44c) };
        assert_eq!(event(&mut engine, 0, RAM + 4, exception), Outcome::Stopped);
        // As a client does it.
        engine.remove(request, trapline_core::pool::Owner::DEBUGGER).unwrap();
        assert_eq!(carried_out(&mut engine, Action::Step), RAM + 8);
    }
}

#[test]
fn what_may_not_be_simple_is_given_to_the_core() {
    type Change = fn(&mut Engine);
    let changes: [(&str, Change); 6] = [
        ("a write of memory", |engine| engine.write_virtual(CORE, RAM + 0x100, &[0]).unwrap()),
        ("a write of PSTATE", |engine| engine.write_register(CORE, Register::Pstate, OPEN).unwrap()),
        ("a write of a system register", |engine| {
            engine.write_register(CORE, Register::System(SystemRegister::SCTLR_EL1), 0).unwrap();
        }),
        ("the target in other hands", |engine| _ = engine.target_mut()),
        ("the guest's own debugging", debugs_itself),
        ("another page", |engine| engine.write_register(CORE, Register::Pc, RAM + 0x1004).unwrap()),
    ];
    for (what, change) in changes {
        let mut engine = stepped(1, &[NOP]);
        engine.write_register(CORE, X0, 5).unwrap();
        change(&mut engine);
        resume(&mut engine, Action::Step);
        assert_eq!(last(&engine), Did::Step(0), "{what}");
    }
}

#[test]
fn a_core_that_does_not_stand_alone_runs() {
    let mut engine = stepped(2, &[NOP, NOP]);
    assert_eq!(carried_out(&mut engine, Action::Step), RAM + 8);
    engine.clear_actions();
    engine.set_action(CORE, Action::Step).unwrap();
    assert_eq!(engine.resume_or_stop().unwrap(), Outcome::Resumed);
    assert!(engine.target().did.ends_with(&[Did::Step(0), Did::Run(1)]), "{:?}", engine.target().did);
}

#[test]
fn what_a_step_has_led_to_may_be_a_vector() {
    let mut engine = engine(1);
    engine.target_mut().set_word(RAM + 0x80, NOP);
    resume(&mut engine, Action::Step);
    assert_eq!(event(&mut engine, 0, RAM + 0x80, step()), Outcome::Stopped);
    resume(&mut engine, Action::Step);
    assert_eq!(last(&engine), Did::Step(0));
}

/// So that nothing of a range is run through.
fn with_no_pair_free(engine: &mut Engine) {
    for number in 1..=5 {
        insert(engine, hardware(RAM + 0x1000 * number));
    }
}

#[test]
fn simple_instructions_of_a_range_are_passed_in_one_go() {
    // mrs x3, daif; nop; cbz x1, .-8; mrs x3, daif
    let daif = 0xd53b_4223;
    let mut engine = stepped(1, &[daif, NOP, 0xb4ff_ffc1, daif]);
    with_no_pair_free(&mut engine);
    resume(&mut engine, Action::StepRange { start: RAM + 4, end: RAM + 0x14 });
    assert_eq!(last(&engine), Did::Step(0));
    // The branch is not taken.
    engine.target_mut().set(0, Register::X(1), 5);
    assert_eq!(event(&mut engine, 0, RAM + 8, step()), Outcome::Resumed);
    assert_eq!((last(&engine), engine.target().get(0, Register::Pc)), (Did::Step(0), RAM + 0x10));
    assert_eq!(event(&mut engine, 0, RAM + 0x14, step()), Outcome::Stopped);
    assert_eq!(engine.stop().unwrap().reason, StopReason::Step);
}

#[test]
fn a_breakpoint_between_simple_instructions_of_a_range_is_hit() {
    for request in [hardware(RAM + 0xc), software(RAM + 0xc)] {
        let mut engine = stepped(1, &[0xd53b_4223, NOP, NOP, NOP]);
        insert(&mut engine, request);
        with_no_pair_free(&mut engine);
        resume(&mut engine, Action::StepRange { start: RAM + 4, end: RAM + 0x14 });
        assert_eq!(event(&mut engine, 0, RAM + 8, step()), Outcome::Stopped);
        assert_eq!(engine.stop().unwrap().pc, RAM + 0xc);
        assert_ne!(engine.stop().unwrap().reason, StopReason::Step);
    }
}

#[test]
fn simple_instructions_that_lead_out_of_a_range_end_its_step() {
    let mut engine = stepped(1, &[NOP, 0xd65f_03c0]);
    with_no_pair_free(&mut engine);
    engine.write_register(CORE, Register::X(30), RAM + 0x100).unwrap();
    assert_eq!(carried_out(&mut engine, Action::StepRange { start: RAM + 4, end: RAM + 0xc }), RAM + 0x100);
}

#[test]
fn a_loop_of_simple_instructions_leaves_others_their_turn() {
    let mut engine = stepped(1, &[B_SELF]);
    resume(&mut engine, Action::StepRange { start: RAM + 4, end: RAM + 8 });
    for _ in 0..3 {
        assert_eq!(last(&engine), Did::Step(0));
        assert_eq!(event(&mut engine, 0, RAM + 4, step()), Outcome::Resumed);
    }
    assert_eq!(engine.interrupt().unwrap().reason, StopReason::Interrupt);
}

#[test]
fn for_whoever_waits_for_an_event_there_is_one() {
    let mut engine = stepped(1, &[NOP]);
    engine.set_action(CORE, Action::Step).unwrap();
    engine.resume().unwrap();
    assert_eq!(last(&engine), Did::Step(0));
}
