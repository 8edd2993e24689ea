//! Conditions, counts, commands and values, evaluated where the stop happens.

use crate::recorder::{Did, RAM, Recorder, YIELD, breakpoint, brk, step, watchpoint};
use trapline_core::address::AddressRange;
use trapline_core::agent::{BytecodeError, EvaluationError, Operand, operand};
use trapline_core::breakpoint::{Breakpoint, Instruction};
use trapline_core::debugger::{
    Action, Debugger, InsertError, MAX_COMPARED, Options, OptionsError, Outcome, Request, Then, Unanswered,
    ValueCondition,
};
use trapline_core::pool::Owner;
use trapline_core::scope::Scope;
use trapline_core::software::COMMENT;
use trapline_core::stop::{Change, StopReason};
use trapline_core::target::{CoreId, Event, Register, SystemRegister};
use trapline_core::watchpoint::{Access, Watchpoint};

/// Room for 4 cores, 4 requests with options, 64 bytes of expressions.
type Engine = Debugger<Recorder, 4, 4, 64>;

const CORE: CoreId = CoreId(0);
const HERE: u64 = RAM + 0x10;
const WATCHED: u64 = RAM + 0x1000;

/// `X0 == 5`: reg 0, const8 5, equal, end.
const X0_IS_5: &[u8] = &[0x26, 0, 0, 0x22, 5, 0x13, 0x27];
/// `X1 == 7`.
const X1_IS_7: &[u8] = &[0x26, 0, 1, 0x22, 7, 0x13, 0x27];
/// `*(u32 *)8`: const8 8, ref32, end.
const UNREADABLE: &[u8] = &[0x22, 8, 0x19, 0x27];
/// `printf("x0=%d\n", X0)`: reg 0, const8 0, const8 0, printf.
const PRINT_X0: &[u8] =
    &[0x26, 0, 0, 0x22, 0, 0x22, 0, 0x34, 1, 0, 8, b'x', b'0', b'=', b'%', b'd', b'\\', b'n', 0, 0x27];

fn engine(cores: u16) -> Engine {
    Debugger::new(Recorder::new(cores)).unwrap()
}

fn hardware(address: u64) -> Request {
    Request::Breakpoint(Breakpoint::at(address, Instruction::A64, Scope::EL1_AND_EL0).unwrap())
}

fn software(address: u64) -> Request {
    Request::Software { address, instruction: Instruction::A64 }
}

fn watch(address: u64, length: u64) -> Request {
    let range = AddressRange::new(address, length).unwrap();
    Request::Watchpoint(Watchpoint::new(range, Access::Write, Scope::EL1_AND_EL0))
}

fn conditions<'a>(conditions: &'a [&'a [u8]]) -> Options<'a> {
    Options { conditions, ..Options::default() }
}

fn insert(engine: &mut Engine, request: Request, options: &Options<'_>) {
    engine.insert_with(CORE, request, Owner::DEBUGGER, options).unwrap();
}

fn refused(engine: &mut Engine, request: Request, options: &Options<'_>) -> OptionsError {
    match engine.insert_with(CORE, request, Owner::DEBUGGER, options) {
        Err(InsertError::Options(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn event(engine: &mut Engine, core: u16, pc: u64, event: Event) -> Outcome {
    engine.target_mut().halts(core, pc);
    engine.on_event(CoreId(core), event).unwrap()
}

fn set_x(engine: &mut Engine, number: u8, value: u64) {
    engine.target_mut().set(0, Register::X(number), value);
}

/// A hit at [`HERE`] that is passed: the step over it is made, and the core runs on.
fn passes(engine: &mut Engine) {
    assert_eq!(event(engine, 0, HERE, breakpoint()), Outcome::Resumed);
    assert_eq!(engine.target_mut().take().last(), Some(&Did::Step(0)));
    assert_eq!(event(engine, 0, HERE + 4, step()), Outcome::Resumed);
    assert_eq!(engine.target_mut().take().last(), Some(&Did::Run(0)));
}

#[test]
fn a_false_condition_is_passed_and_a_true_one_stops() {
    let mut engine = engine(1);
    insert(&mut engine, hardware(HERE), &conditions(&[X0_IS_5]));
    engine.resume().unwrap();
    passes(&mut engine);
    passes(&mut engine);
    set_x(&mut engine, 0, 5);
    assert_eq!(event(&mut engine, 0, HERE, breakpoint()), Outcome::Stopped);
    assert_eq!(engine.stop().unwrap().reason, StopReason::Breakpoint);
    let [hit] = engine.hits() else { panic!("{:?}", engine.hits()) };
    assert_eq!((hit.request, hit.count, hit.failure), (hardware(HERE), 1, None));
}

/// `NOP` and `B .+8`, with what comes next.
const SIMPLE: [(u32, u64); 2] = [(0xd503_201f, 4), (0x1400_0002, 8)];

#[test]
#[cfg_attr(not(feature = "quick-steps"), ignore = "takes the feature quick-steps")]
fn a_simple_instruction_is_passed_without_a_step() {
    for request in [hardware(HERE), software(HERE)] {
        let exception = if request == hardware(HERE) { breakpoint() } else { brk(COMMENT) };
        for (word, next) in SIMPLE {
            let mut engine = engine(2);
            engine.target_mut().set_word(HERE, word);
            insert(&mut engine, request, &conditions(&[X0_IS_5]));
            engine.resume().unwrap();
            engine.target_mut().take();
            assert_eq!(event(&mut engine, 0, HERE, exception), Outcome::Resumed);
            // Nothing else is told to do anything.
            assert_eq!(engine.target_mut().take(), [Did::Run(0)], "{word:#x}");
            assert_eq!(engine.target_mut().get(0, Register::Pc), HERE + next);
        }
    }
}

#[test]
#[cfg_attr(not(feature = "quick-steps"), ignore = "takes the feature quick-steps")]
fn a_simple_instruction_is_stepped_where_more_may_come_of_it() {
    const MDE: u64 = 1 << 15;
    const SS: u64 = 1;
    const BTYPE: u64 = 1 << 10;
    const IL: u64 = 1 << 20;
    let mdscr = Register::System(SystemRegister::MDSCR_EL1);
    for (register, bits) in [(mdscr, MDE), (mdscr, SS), (Register::Pstate, BTYPE), (Register::Pstate, IL)] {
        let mut engine = engine(1);
        engine.target_mut().set_word(HERE, SIMPLE[0].0);
        insert(&mut engine, hardware(HERE), &conditions(&[X0_IS_5]));
        engine.resume().unwrap();
        let value = engine.target_mut().get(0, register);
        engine.target_mut().set(0, register, value | bits);
        assert_eq!(event(&mut engine, 0, HERE, breakpoint()), Outcome::Resumed);
        assert_eq!(engine.target_mut().take().last(), Some(&Did::Step(0)), "{register} {bits:#x}");
    }
}

#[test]
fn of_several_conditions_any_true_one_stops() {
    let mut engine = engine(1);
    insert(&mut engine, hardware(HERE), &conditions(&[X0_IS_5, X1_IS_7]));
    engine.resume().unwrap();
    passes(&mut engine);
    set_x(&mut engine, 1, 7);
    assert_eq!(event(&mut engine, 0, HERE, breakpoint()), Outcome::Stopped);
}

#[test]
fn inserting_again_replaces_the_conditions_and_removing_forgets_them() {
    let mut engine = engine(1);
    insert(&mut engine, hardware(HERE), &conditions(&[X0_IS_5]));
    insert(&mut engine, hardware(HERE), &conditions(&[X1_IS_7]));
    assert_eq!(engine.bytecode_used(), 2 + X1_IS_7.len());
    engine.resume().unwrap();
    set_x(&mut engine, 0, 5);
    passes(&mut engine);
    engine.interrupt().unwrap();
    engine.insert(CORE, hardware(HERE), Owner::DEBUGGER).unwrap();
    assert_eq!(engine.bytecode_used(), 0);
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, HERE, breakpoint()), Outcome::Stopped);
    insert(&mut engine, hardware(HERE), &conditions(&[X0_IS_5]));
    engine.remove(hardware(HERE), Owner::DEBUGGER).unwrap();
    assert_eq!((engine.bytecode_used(), engine.breakpoints().used()), (0, 0));
}

#[test]
fn a_condition_that_cannot_be_evaluated_stops_and_says_why() {
    let mut engine = engine(1);
    insert(&mut engine, hardware(HERE), &Options { ignore: 9, then: Then::Run, ..conditions(&[UNREADABLE]) });
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, HERE, breakpoint()), Outcome::Stopped);
    let failure = engine.hits()[0].failure.unwrap();
    assert_eq!(failure, EvaluationError::Environment(Unanswered::Memory(8)));
    assert_eq!(failure.to_string(), "memory at 0x8 cannot be read");
}

#[test]
fn ignored_hits_are_counted_and_false_ones_are_not() {
    let mut engine = engine(1);
    insert(&mut engine, hardware(HERE), &Options { ignore: 2, ..conditions(&[X0_IS_5]) });
    engine.resume().unwrap();
    passes(&mut engine);
    set_x(&mut engine, 0, 5);
    passes(&mut engine);
    passes(&mut engine);
    assert_eq!(engine.hit_count(&hardware(HERE), Owner::DEBUGGER), Some(2));
    assert_eq!(event(&mut engine, 0, HERE, breakpoint()), Outcome::Stopped);
    assert_eq!(engine.hits()[0].count, 3);
}

#[test]
fn commands_print_and_the_core_runs_on() {
    let mut engine = engine(1);
    let options = Options { commands: &[PRINT_X0], then: Then::Run, ..conditions(&[X1_IS_7]) };
    insert(&mut engine, hardware(HERE), &options);
    engine.resume().unwrap();
    passes(&mut engine);
    set_x(&mut engine, 0, 42);
    set_x(&mut engine, 1, 7);
    passes(&mut engine);
    passes(&mut engine);
    assert_eq!(engine.target_mut().console.take().unwrap().0, "x0=42\nx0=42\n");
    assert_eq!(engine.hit_count(&hardware(HERE), Owner::DEBUGGER), Some(2));
}

#[test]
fn a_print_that_nobody_would_read_is_refused() {
    let mut engine = engine(1);
    engine.target_mut().console = None;
    let options = Options { commands: &[PRINT_X0], ..Options::default() };
    assert_eq!(refused(&mut engine, hardware(HERE), &options), OptionsError::NoConsole);
    assert!(engine.breakpoints().is_empty());
}

#[test]
fn a_false_condition_of_a_software_breakpoint_holds_the_other_cores_for_one_step() {
    let mut engine = engine(2);
    insert(&mut engine, software(HERE), &conditions(&[X0_IS_5]));
    engine.resume().unwrap();
    engine.target_mut().take();
    assert_eq!(event(&mut engine, 0, HERE, brk(COMMENT)), Outcome::Resumed);
    let did = engine.target_mut().take();
    assert_eq!((did[0], did[1]), (Did::Halt(1), Did::Write(HERE, YIELD)));
    assert_eq!(did.last(), Some(&Did::Step(0)));
    assert_eq!(event(&mut engine, 0, HERE + 4, step()), Outcome::Resumed);
    let did = engine.target_mut().take();
    assert!(matches!(did[1], Did::Write(HERE, word) if word != YIELD), "{did:?}");
    assert!(did.contains(&Did::Run(0)) && did.contains(&Did::Run(1)), "{did:?}");
    set_x(&mut engine, 0, 5);
    assert_eq!(event(&mut engine, 0, HERE, brk(COMMENT)), Outcome::Stopped);
}

#[test]
fn a_step_of_another_core_that_a_pass_interrupts_is_reported_afterwards() {
    let mut engine = engine(2);
    insert(&mut engine, software(HERE), &conditions(&[X0_IS_5]));
    engine.set_action(CoreId(1), Action::Step).unwrap();
    engine.resume().unwrap();
    // Core 1 has executed its instruction when core 0's hit halts it.
    engine.target_mut().set(1, Register::Pc, RAM + 4);
    assert_eq!(event(&mut engine, 0, HERE, brk(COMMENT)), Outcome::Resumed);
    assert_eq!(event(&mut engine, 0, HERE + 4, step()), Outcome::Stopped);
    let stop = engine.stop().unwrap();
    assert_eq!((stop.core, stop.reason, stop.pc), (CoreId(1), StopReason::Step, RAM + 4));
}

#[test]
fn a_range_step_goes_through_a_false_condition() {
    let mut engine = engine(1);
    insert(&mut engine, hardware(HERE), &conditions(&[X0_IS_5]));
    engine.set_action(CORE, Action::StepRange { start: RAM, end: RAM + 0x100 }).unwrap();
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, HERE, step()), Outcome::Resumed);
    assert_eq!(event(&mut engine, 0, HERE + 4, step()), Outcome::Resumed);
    set_x(&mut engine, 0, 5);
    assert_eq!(event(&mut engine, 0, HERE, step()), Outcome::Stopped);
    assert_eq!(engine.stop().unwrap().reason, StopReason::Breakpoint);
}

#[test]
fn a_core_waits_alone_until_it_is_told_to_go_on() {
    let mut engine = engine(2);
    insert(&mut engine, hardware(HERE), &Options { then: Then::Wait, ..Options::default() });
    engine.resume().unwrap();
    engine.target_mut().take();
    match event(&mut engine, 1, HERE, breakpoint()) {
        Outcome::Waiting(stop) => assert_eq!((stop.core, stop.pc), (CoreId(1), HERE)),
        other => panic!("{other:?}"),
    }
    assert_eq!(engine.hits_of(CoreId(1))[0].count, 1);
    assert_eq!((engine.stop(), engine.target_mut().take()), (None, vec![]));
    assert_eq!(engine.go_on(CoreId(1)), Ok(Outcome::Resumed));
    assert_eq!(engine.target_mut().take().last(), Some(&Did::Step(1)));
    assert_eq!(engine.go_on(CoreId(1)), Ok(Outcome::Stopped), "it does not wait any more");
}

#[test]
fn owners_that_are_hit_together_are_told_apart() {
    let mut engine = engine(1);
    engine.insert(CORE, hardware(HERE), Owner::DEBUGGER).unwrap();
    let options = Options { then: Then::Wait, ..Options::default() };
    engine.insert_with(CORE, hardware(HERE), Owner::HOST, &options).unwrap();
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, HERE, breakpoint()), Outcome::Stopped);
    let owners: Vec<Owner> = engine.hits().iter().map(|hit| hit.owner).collect();
    assert_eq!(owners, [Owner::DEBUGGER, Owner::HOST]);
}

fn change(engine: &Engine) -> Change {
    match engine.stop().unwrap().reason {
        StopReason::Watchpoint { change: Some(change), .. } => change,
        other => panic!("{other:?}"),
    }
}

/// The core makes an access that is watched, which leaves `word` there.
fn store(engine: &mut Engine, word: u32) -> Outcome {
    assert_eq!(event(engine, 0, HERE, watchpoint(WATCHED, true)), Outcome::Resumed);
    engine.target_mut().set_word(WATCHED, word);
    event(engine, 0, HERE + 4, step())
}

#[test]
fn a_watch_for_changes_stops_after_the_access_with_both_values() {
    let mut engine = engine(1);
    let options = Options { value: ValueCondition::Changed, ..Options::default() };
    insert(&mut engine, watch(WATCHED, 4), &options);
    engine.resume().unwrap();
    assert_eq!(store(&mut engine, YIELD), Outcome::Resumed);
    assert_eq!(store(&mut engine, 0x1234), Outcome::Stopped);
    assert_eq!(change(&engine), Change { address: WATCHED, length: 4, old: YIELD.into(), new: 0x1234 });
    assert_eq!(engine.stop().unwrap().pc, HERE + 4);
    assert_eq!(engine.hits()[0].count, 1);
    // The access is made: nothing has to be passed.
    engine.target_mut().take();
    engine.resume().unwrap();
    assert_eq!(engine.target_mut().take(), [Did::Commit(0, 0, 1), Did::Run(0)]);
}

#[test]
fn a_watch_for_a_value_stops_when_it_is_there() {
    let mut engine = engine(1);
    let options = Options { value: ValueCondition::Equals(3), ..Options::default() };
    insert(&mut engine, watch(WATCHED, 4), &options);
    engine.resume().unwrap();
    assert_eq!(store(&mut engine, 2), Outcome::Resumed);
    assert_eq!(store(&mut engine, 3), Outcome::Stopped);
    assert_eq!((change(&engine).old, change(&engine).new), (2, 3));
}

#[test]
fn an_access_that_faults_is_not_one() {
    let mut engine = engine(1);
    let options = Options { value: ValueCondition::After, ..Options::default() };
    insert(&mut engine, watch(WATCHED, 4), &options);
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, HERE, watchpoint(WATCHED, true)), Outcome::Resumed);
    assert_eq!(event(&mut engine, 0, RAM + 0x8200, step()), Outcome::Resumed);
    assert_eq!(store(&mut engine, 1), Outcome::Stopped);
}

#[test]
fn a_change_of_a_long_range_is_told_by_the_doubleword_that_is_touched() {
    let mut engine = engine(1);
    let options = Options { value: ValueCondition::After, ..Options::default() };
    insert(&mut engine, watch(WATCHED - 4096, 8192), &options);
    engine.resume().unwrap();
    assert_eq!(store(&mut engine, 1), Outcome::Stopped);
    let old = u64::from(YIELD) << 32 | u64::from(YIELD);
    let new = u64::from(YIELD) << 32 | 1;
    assert_eq!(change(&engine), Change { address: WATCHED, length: 8, old, new });
}

#[test]
fn a_client_that_steps_over_the_access_itself_is_told_of_the_change() {
    let mut engine = engine(1);
    engine.insert(CORE, watch(WATCHED, 4), Owner::DEBUGGER).unwrap();
    let options = Options { value: ValueCondition::Changed, then: Then::Wait, ..Options::default() };
    engine.insert_with(CORE, watch(WATCHED, 4), Owner::HOST, &options).unwrap();
    engine.resume().unwrap();
    assert_eq!(event(&mut engine, 0, HERE, watchpoint(WATCHED, true)), Outcome::Stopped);
    engine.set_action(CORE, Action::Step).unwrap();
    engine.resume().unwrap();
    engine.target_mut().set_word(WATCHED, 9);
    assert!(matches!(event(&mut engine, 0, HERE + 4, step()), Outcome::Waiting(_)));
    assert_eq!(engine.hits_of(CORE)[0].owner, Owner::HOST);
    assert_eq!(engine.go_on(CORE), Ok(Outcome::Stopped));
    assert_eq!(engine.stop().unwrap().reason, StopReason::Step);
}

#[test]
fn options_that_cannot_be_honoured_are_refused_and_nothing_changes() {
    let mut engine = engine(1);
    let here = hardware(HERE);
    let unsupported = BytecodeError::Unsupported { offset: 0, opcode: 0x0c };
    assert_eq!(
        refused(&mut engine, here, &conditions(&[X0_IS_5, &[0x0c, 0x27]])),
        OptionsError::Bytecode { expression: 1, error: unsupported }
    );
    // V0 is wider than 64 bits.
    assert_eq!(
        refused(&mut engine, here, &conditions(&[&[0x26, 0, 34, 0x27]])),
        OptionsError::Register { expression: 0, number: 34 }
    );
    let changed = Options { value: ValueCondition::Changed, ..Options::default() };
    assert_eq!(refused(&mut engine, here, &changed), OptionsError::NoValue);
    assert_eq!(
        refused(&mut engine, watch(WATCHED, 129), &changed),
        OptionsError::ValueTooLong { length: 129, limit: MAX_COMPARED }
    );
    let equals = Options { value: ValueCondition::Equals(0), ..Options::default() };
    assert_eq!(
        refused(&mut engine, watch(WATCHED, 9), &equals),
        OptionsError::ValueTooLong { length: 9, limit: 8 }
    );
    let long: &[&[u8]] = &[X0_IS_5; 8];
    assert_eq!(refused(&mut engine, here, &conditions(long)), OptionsError::Full { needed: 72, free: 64 });
    assert!(engine.breakpoints().is_empty() && engine.watchpoints().is_empty());

    for place in 0..4 {
        insert(&mut engine, hardware(HERE + 4 * place), &conditions(&[X0_IS_5]));
    }
    let fifth = hardware(HERE + 16);
    assert_eq!(refused(&mut engine, fifth, &conditions(&[X0_IS_5])), OptionsError::TooMany { capacity: 4 });
    // One that has options already can be given others.
    insert(&mut engine, here, &conditions(&[X1_IS_7]));
    engine.remove(here, Owner::DEBUGGER).unwrap();
    insert(&mut engine, fifth, &conditions(&[X0_IS_5]));
}

#[test]
fn a_client_numbers_registers_in_its_own_way() {
    let mut engine = engine(1);
    let numbering = |number| match number {
        100 => Some(Operand::Register(Register::System(SystemRegister::TTBR0_EL1))),
        101 => Some(Operand::StackPointer),
        _ => operand(number),
    };
    // reg 100, reg 101, equal, end
    let expression: &[u8] = &[0x26, 0, 100, 0x26, 0, 101, 0x13, 0x27];
    insert(&mut engine, hardware(HERE), &Options { numbering, ..conditions(&[expression]) });
    engine.resume().unwrap();
    let system = Register::System;
    engine.target_mut().set(0, system(SystemRegister::TTBR0_EL1), 0x4000);
    passes(&mut engine);
    engine.target_mut().set(0, system(SystemRegister::SP_EL1), 0x4000);
    assert_eq!(event(&mut engine, 0, HERE, breakpoint()), Outcome::Stopped);
}

#[test]
fn what_is_removed_and_inserted_again_while_halted_is_not_programmed_again() {
    let mut engine = engine(1);
    let requests = [hardware(HERE), watch(WATCHED, 8), software(HERE + 8)];
    for request in requests {
        insert(&mut engine, request, &Options::default());
    }
    engine.resume().unwrap();
    for _ in 0..3 {
        engine.interrupt().unwrap();
        engine.target_mut().take();
        for request in requests {
            engine.remove(request, Owner::DEBUGGER).unwrap();
        }
        for request in requests {
            insert(&mut engine, request, &Options::default());
        }
        engine.resume().unwrap();
        assert_eq!(engine.target_mut().take(), [Did::Run(0)]);
    }
}
