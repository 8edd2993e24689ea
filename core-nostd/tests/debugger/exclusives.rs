//! Load and store exclusives in steps and under watchpoints.

use crate::recorder::{Did, RAM, breakpoint, step, watchpoint};
use crate::scene::{OPEN, QUIET, engine, event, insert, watch};
use trapline_core::debugger::{Action, Outcome};
use trapline_core::pool::Owner;
use trapline_core::stop::StopReason;
use trapline_core::target::{CoreId, Register, SystemRegister};
use trapline_core::watchpoint::Access;

#[test]
fn an_exclusive_sequence_is_stepped_as_one() {
    let mut engine = engine(1);
    // ldxr w0, [x1]; add w0, w0, #1; stxr w2, w0, [x1]; cbnz w2, .-12
    for (index, word) in [0x885f_7c20_u32, 0x1100_0400, 0x8802_7c20, 0x35ff_ffa2].into_iter().enumerate() {
        engine.target_mut().set_word(RAM + 4 * index as u64, word);
    }
    engine.set_action(CoreId(0), Action::Step).unwrap();
    engine.resume().unwrap();
    // One comparator for the exit, one for the vector of a fault.
    assert_eq!(engine.target_mut().take(), [Did::Pstate(0, QUIET), Did::Commit(0, 0b11, 0), Did::Run(0)]);
    assert_eq!(event(&mut engine, 0, RAM + 12, breakpoint()), Outcome::Stopped);
    let stop = engine.stop().unwrap();
    assert_eq!((stop.reason, stop.pc), (StopReason::Step, RAM + 12));
    assert_eq!(engine.target_mut().get(0, Register::Pstate), OPEN);
    engine.clear_actions();
    engine.target_mut().take();
    engine.resume().unwrap();
    assert_eq!(engine.target_mut().take(), [Did::Commit(0, 0, 0), Did::Run(0)]);
}

/// `ldxr w0, [x1]`, `add w0, w0, #1`, `stxr w2, w0, [x1]`, `cbnz w2, .-12`.
const INCREMENT: [u32; 4] = [0x885f_7c20, 0x1100_0400, 0x8802_7c20, 0x35ff_ffa2];

#[test]
fn a_store_exclusive_that_is_watched_is_tried_again_until_it_is_made() {
    let mut engine = engine(1);
    for (index, word) in INCREMENT.into_iter().enumerate() {
        engine.target_mut().set_word(RAM + 4 * index as u64, word);
    }
    engine.target_mut().set(0, Register::X(1), RAM + 0x1000);
    let store = RAM + 8;
    let request = watch(RAM + 0x1000, 4, Access::Write);
    insert(&mut engine, request);
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, store, watchpoint(RAM + 0x1000, true)), Outcome::Stopped);
    assert_eq!(engine.stop().unwrap().pc, store);

    // gdb steps over a hit with its watchpoints removed.
    engine.remove(request, Owner::DEBUGGER).unwrap();
    engine.set_action(CoreId(0), Action::Step).unwrap();
    engine.target_mut().take();
    engine.resume().unwrap();
    // The exception has cleared the monitor: the store fails, and the program goes back.
    engine.target_mut().set(0, Register::X(2), 1);
    assert_eq!(event(&mut engine, 0, store + 4, step()), Outcome::Resumed);
    assert_eq!(engine.target_mut().take().last(), Some(&Did::Step(0)));
    assert_eq!(event(&mut engine, 0, RAM, step()), Outcome::Resumed);
    // From the load on it runs, with comparators on the exits.
    let did = engine.target_mut().take();
    assert!(did.ends_with(&[Did::Commit(0, 0b11, 0), Did::Run(0)]), "{did:?}");
    engine.target_mut().set(0, Register::X(2), 0);
    assert_eq!(event(&mut engine, 0, store + 4, breakpoint()), Outcome::Stopped);
    let stop = engine.stop().unwrap();
    assert_eq!((stop.reason, stop.pc), (StopReason::Step, store + 4));
    assert_eq!(engine.target_mut().get(0, Register::Pstate), OPEN);

    // Without a client the core runs on behind the store. On the way back the watchpoint is armed.
    insert(&mut engine, request);
    engine.clear_actions();
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, store, watchpoint(RAM + 0x1000, true)), Outcome::Stopped);
    engine.resume().unwrap();
    engine.target_mut().take();
    engine.target_mut().set(0, Register::X(2), 1);
    assert_eq!(event(&mut engine, 0, store + 4, step()), Outcome::Resumed);
    let did = engine.target_mut().take();
    assert!(did.contains(&Did::Commit(0, 0, 1)) && did.ends_with(&[Did::Step(0)]), "{did:?}");
    assert_eq!(event(&mut engine, 0, RAM, step()), Outcome::Resumed);
    let did = engine.target_mut().take();
    assert!(did.ends_with(&[Did::Commit(0, 0b11, 0), Did::Run(0)]), "{did:?}");
    engine.target_mut().set(0, Register::X(2), 0);
    assert_eq!(event(&mut engine, 0, store + 4, breakpoint()), Outcome::Resumed);
    assert!(engine.target_mut().take().ends_with(&[Did::Commit(0, 0, 1), Did::Run(0)]));
}

#[test]
fn a_program_that_gives_its_store_exclusive_up_is_followed_no_further() {
    let mut engine = engine(1);
    for (index, word) in INCREMENT.into_iter().enumerate() {
        engine.target_mut().set_word(RAM + 4 * index as u64, word);
    }
    engine.target_mut().set(0, Register::X(1), RAM + 0x1000);
    insert(&mut engine, watch(RAM + 0x1000, 4, Access::Write));
    engine.resume().unwrap();
    event(&mut engine, 0, RAM + 8, watchpoint(RAM + 0x1000, true));
    engine.set_action(CoreId(0), Action::Step).unwrap();
    engine.resume().unwrap();
    engine.target_mut().set(0, Register::X(2), 1);
    assert_eq!(event(&mut engine, 0, RAM + 12, step()), Outcome::Resumed);
    assert_eq!(event(&mut engine, 0, RAM + 0x400, step()), Outcome::Stopped);
    assert_eq!(engine.stop().unwrap().reason, StopReason::Step);

    // One that spins for ever ends as well.
    event(&mut engine, 0, RAM + 8, watchpoint(RAM + 0x1000, true));
    engine.target_mut().set(0, Register::Pc, RAM + 8);
    let mut steps = 0;
    engine.resume().unwrap();
    while event(&mut engine, 0, RAM + 12, step()) == Outcome::Resumed {
        steps += 1;
        assert!(steps < 100);
    }
}

#[test]
fn an_exclusive_sequence_that_faults_ends_its_step_at_the_vector() {
    let mut engine = engine(1);
    for (index, word) in [0x885f_7c20_u32, 0x8802_7c20].into_iter().enumerate() {
        engine.target_mut().set_word(RAM + 4 * index as u64, word);
    }
    engine.set_action(CoreId(0), Action::Step).unwrap();
    engine.resume().unwrap();
    // The load aborts: the core is at its vector, with the masks of the step in SPSR_EL1.
    let system = Register::System;
    let target = engine.target_mut();
    target.set(0, Register::Pstate, 0x3c5);
    target.set(0, system(SystemRegister::SPSR_EL1), QUIET);
    target.set(0, system(SystemRegister::ELR_EL1), RAM);
    assert_eq!(event(&mut engine, 0, RAM + 0x8200, breakpoint()), Outcome::Stopped);
    let stop = engine.stop().unwrap();
    assert_eq!((stop.reason, stop.pc), (StopReason::Step, RAM + 0x8200));
    assert_eq!(engine.target_mut().get(0, system(SystemRegister::SPSR_EL1)), OPEN);
}
